import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { EXPONENTIAL } from './exponential.ts';
import { type AdapterProfile, type Kernel, spreadWorkgroups } from './kernel.ts';
import { workgroupMaximum, workgroupSum } from './workgroup-sum.ts';

/*
 * Softmax of rows, and its gradient from the output:
 *
 *   x: [rows, length]   y[r,i] = e^(x[r,i]-max_r) / Σ_j e^(x[r,j]-max_r)
 *   dx[r,i] = y[r,i]·(dy[r,i] - Σ_j dy[r,j]·y[r,j])
 *
 * One workgroup a row, lanes strided along it; the largest value is taken off first, so that no exponential
 * overflows. A NaN makes its whole row NaN, through the sum.
 */

const LANES = 64;

const SIZES = 'struct Sizes { rows: u32, length: u32 }';

/** Opens `main`: `row`, `lane`, `base` and the first element `first` of this lane. */
const MAIN = (lanes: number): string => `@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = group.y * groups.x + group.x;
  if (row >= sizes.rows) { return; }
  let length = sizes.length;
  let base = row * length;`;

/** Bindings x, y. */
export function softmaxForward(rows: number, length: number, profile: AdapterProfile): Kernel {
  const sum = workgroupSum('f32', profile, LANES);
  const maximum = workgroupMaximum('f32', profile, LANES);
  return {
    key: `softmax.forward.${sum.tag}`,
    bindings: ['read', 'write', 'read'],
    workgroups: spreadWorkgroups(rows),
    constants: [rows, length],
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
${SIZES}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;
${EXPONENTIAL}
${sum.declarations}
${maximum.declarations}

${MAIN(sum.lanes)}
  var most = -3.4028234e38;
  for (var i = lane; i < length; i += ${sum.lanes}u) { most = max(most, x[base + i]); }
  let largest = workgroupMaximum(most, lane);
  var part = 0.0;
  for (var i = lane; i < length; i += ${sum.lanes}u) { part += exponential(x[base + i] - largest); }
  let inverse = 1.0 / workgroupSum(part, lane);
  for (var i = lane; i < length; i += ${sum.lanes}u) {
    result[base + i] = exponential(x[base + i] - largest) * inverse;
  }
}
`,
  };
}

/** Bindings dy, y, dx. */
export function softmaxBackward(rows: number, length: number, profile: AdapterProfile): Kernel {
  const sum = workgroupSum('f32', profile, LANES);
  return {
    key: `softmax.backward.${sum.tag}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(rows),
    constants: [rows, length],
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
${SIZES}
@group(0) @binding(0) var<storage, read> cotangent: array<f32>;
@group(0) @binding(1) var<storage, read> output: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${sum.declarations}

${MAIN(sum.lanes)}
  var part = 0.0;
  for (var i = lane; i < length; i += ${sum.lanes}u) {
    part += cotangent[base + i] * output[base + i];
  }
  let mean = workgroupSum(part, lane);
  for (var i = lane; i < length; i += ${sum.lanes}u) {
    result[base + i] = output[base + i] * (cotangent[base + i] - mean);
  }
}
`,
  };
}
