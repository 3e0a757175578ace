import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { ElementType } from './element-types.ts';
import { EXPONENTIAL, EXPONENTIALS } from './exponential.ts';
import { type AdapterProfile, type Kernel, spreadWorkgroups } from './kernel.ts';
import { workgroupMaximum, workgroupSum } from './workgroup-sum.ts';

/*
 * Softmax of rows, and its gradient from the output:
 *
 *   x: [rows, length]   y[r,i] = e^(x[r,i]-max_r) / Σ_j e^(x[r,j]-max_r)
 *   dx[r,i] = y[r,i]·(dy[r,i] - Σ_j dy[r,j]·y[r,j])
 *
 * One workgroup a row, lanes strided along it, by vec4s where rows are whole vec4s; the largest value is taken
 * off first, so that no exponential overflows. A NaN makes its whole row NaN, through the sum. CPU drivers, for which
 * an exponential costs as much as moving it four times, keep them in y, if that is f32,
 * until their sum is known; GPUs compute them twice.
 */

const LANES = 64;

const SIZES = 'struct Sizes { rows: u32, length: u32 }';

/** Vec4s or single elements, and how many of them a row has. */
function elementsOf(rows: number, length: number) {
  const isWhole = length % 4 === 0;
  return {
    type: isWhole ? 'vec4f' : 'f32',
    exponential: isWhole ? EXPONENTIALS : EXPONENTIAL,
    /** Of the elements of `x`, the largest, and their sum. */
    most: (x: string): string => (isWhole ? `max(max(${x}.x, ${x}.y), max(${x}.z, ${x}.w))` : x),
    total: (x: string): string => (isWhole ? `dot(${x}, vec4f(1.0))` : x),
    workgroups: spreadWorkgroups(rows),
    constants: [rows, isWhole ? length / 4 : length],
  };
}

/** Opens `main`: `row`, `lane`, and `base`, the first element of the row. */
const MAIN = (lanes: number): string => `@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = group.y * groups.x + group.x;
  if (row >= sizes.rows) { return; }
  let length = sizes.length;
  let base = row * length;`;

/**
 * Bindings x, y.
 * @param elementType how y is stored: f16 would round the exponentials that are kept in it
 */
export function softmaxForward(
  rows: number,
  length: number,
  profile: AdapterProfile,
  elementType: ElementType = 'f32',
): Kernel {
  const sum = workgroupSum('f32', profile, LANES);
  const maximum = workgroupMaximum('f32', profile, LANES);
  const { type, exponential, most, total, workgroups, constants } = elementsOf(rows, length);
  const keeps = profile.kind === 'cpu' && elementType === 'f32';
  return {
    key: `softmax.forward.${type}.${sum.tag}${keeps ? '' : '.twice'}`,
    bindings: ['read', 'write', 'read'],
    workgroups,
    constants,
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
${SIZES}
@group(0) @binding(0) var<storage, read> x: array<${type}>;
@group(0) @binding(1) var<storage, read_write> result: array<${type}>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;
${exponential}
${sum.declarations}
${maximum.declarations}

${MAIN(sum.lanes)}
  var most = ${type}(-3.4028234e38);
  for (var i = lane; i < length; i += ${sum.lanes}u) { most = max(most, x[base + i]); }
  let largest = workgroupMaximum(${most('most')}, lane);
  var part = ${type}(0.0);
  for (var i = lane; i < length; i += ${sum.lanes}u) {
    let raised = exponential(x[base + i] - largest);
#if ${keeps}
    result[base + i] = raised;
#endif
    part += raised;
  }
  let inverse = 1.0 / workgroupSum(${total('part')}, lane);
  for (var i = lane; i < length; i += ${sum.lanes}u) {
#if ${keeps}
    result[base + i] = result[base + i] * inverse;
#else
    result[base + i] = exponential(x[base + i] - largest) * inverse;
#endif
  }
}
`,
  };
}

/** Bindings dy, y, dx. */
export function softmaxBackward(rows: number, length: number, profile: AdapterProfile): Kernel {
  const sum = workgroupSum('f32', profile, LANES);
  const { type, total, workgroups, constants } = elementsOf(rows, length);
  return {
    key: `softmax.backward.${type}.${sum.tag}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups,
    constants,
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
${SIZES}
@group(0) @binding(0) var<storage, read> cotangent: array<${type}>;
@group(0) @binding(1) var<storage, read> output: array<${type}>;
@group(0) @binding(2) var<storage, read_write> result: array<${type}>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${sum.declarations}

${MAIN(sum.lanes)}
  var part = ${type}(0.0);
  for (var i = lane; i < length; i += ${sum.lanes}u) {
    part += cotangent[base + i] * output[base + i];
  }
  let mean = workgroupSum(${total('part')}, lane);
  for (var i = lane; i < length; i += ${sum.lanes}u) {
    result[base + i] = output[base + i] * (cotangent[base + i] - mean);
  }
}
`,
  };
}
