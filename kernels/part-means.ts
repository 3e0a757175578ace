import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type AdapterProfile, floatBits, type Kernel } from './kernel.ts';
import { linearMain, linearWorkgroups } from './linear.ts';
import { workgroupSum } from './workgroup-sum.ts';

/*
 * Means of equal parts of an array, each a scalar in a storage of its own, and their gradient:
 *
 *   y_k = 1/length·Σ_i x[k·length + i]      dx[k·length + i] = dy_k/length
 */

/** Parts that one dispatch takes: with x and the sizes, eight storages. */
export const MAX_PARTS = 6;

const SIZES = 'struct Sizes { length: u32, count: u32, factor: f32 }';

/** Bindings x, y_0 … */
export function partMeans(length: number, parts: number, profile: AdapterProfile): Kernel {
  const sum = workgroupSum('f32', profile, 256);
  const { lanes } = sum;
  const names = Array.from({ length: parts }, (_, k) => `mean${k}`);
  const declarations = names.map(
    (name, k) => `@group(0) @binding(${k + 1}) var<storage, read_write> ${name}: array<f32>;`,
  );
  const stores = names.map((name, k) => `if (group.x == ${k}u) { ${name}[0] = mean; }`);
  return {
    key: `part-means.${parts}.${sum.tag}`,
    bindings: ['read', ...names.map(() => 'write' as const), 'read'],
    workgroups: [parts, 1, 1],
    constants: [length, length * parts, floatBits(1 / length)],
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
${SIZES}
@group(0) @binding(0) var<storage, read> x: array<f32>;
${declarations.join('\n')}
@group(0) @binding(${parts + 1}) var<storage, read> sizes: Sizes;
${sum.declarations}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var partial = 0f;
  for (var i = lane; i < sizes.length; i += ${lanes}u) {
    partial += x[group.x * sizes.length + i];
  }
  let mean = workgroupSum(partial, lane) * sizes.factor;
  if (lane == 0u) {
    ${stores.join('\n    ')}
  }
}
`,
  };
}

/** Bindings dy_0 …, dx. */
export function partMeansGradient(length: number, parts: number): Kernel {
  const names = Array.from({ length: parts }, (_, k) => `cotangent${k}`);
  const declarations = names.map(
    (name, k) => `@group(0) @binding(${k}) var<storage, read> ${name}: array<f32>;`,
  );
  const loads = names.map((name, k) => `if (part == ${k}u) { dy = ${name}[0]; }`);
  return {
    key: `part-means.gradient.${parts}`,
    bindings: [...names.map(() => 'read' as const), 'write', 'read'],
    workgroups: linearWorkgroups(length * parts),
    constants: [length, length * parts, floatBits(1 / length)],
    code: () => wgsl`
${SIZES}
${declarations.join('\n')}
@group(0) @binding(${parts}) var<storage, read_write> dx: array<f32>;
@group(0) @binding(${parts + 1}) var<storage, read> sizes: Sizes;
${linearMain('sizes.count')}
  let part = index / sizes.length;
  var dy = 0f;
  ${loads.join('\n  ')}
  dx[index] = dy * sizes.factor;
}
`,
  };
}
