import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type Kernel, spreadWorkgroups } from '../kernel.ts';

/*
 * Bias gradient: db[o] = Σ_{n,i} dy[n,o,i], dy: [N,O,P] with P pixels a plane. One workgroup a
 * channel; its invocations sum every 64th element, then a tree adds them.
 */

const WORKGROUP = 64;

/** Bindings: dy, db; db is overwritten, or added to if `accumulate`. */
export function biasGradient(
  batch: number,
  channels: number,
  pixels: number,
  accumulate: boolean,
): Kernel {
  const vector = pixels % 4 === 0;
  const plane = vector ? pixels / 4 : pixels;
  const type = vector ? 'vec4f' : 'f32';
  return {
    key: `biasgradient.${batch}x${channels}x${pixels}${accumulate ? '+' : ''}`,
    bindings: ['read', 'write'],
    workgroups: spreadWorkgroups(channels),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> dy: array<${type}>;
@group(0) @binding(1) var<storage, read_write> db: array<f32>;
var<workgroup> sums: array<f32, ${WORKGROUP}>;

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let channel = group.y * groups.x + group.x;
  if (channel >= ${channels}u) { return; }
  var sum = ${type}(0.0);
  for (var n = 0u; n < ${batch}u; n++) {
    let start = (n * ${channels}u + channel) * ${plane}u;
    for (var k = 0u; k < ${Math.ceil(plane / WORKGROUP)}u; k++) {
      let i = k * ${WORKGROUP}u + lane;
      if (i < ${plane}u) { sum += dy[start + i]; }
    }
  }
#if ${vector}
  sums[lane] = (sum.x + sum.y) + (sum.z + sum.w);
#else
  sums[lane] = sum;
#endif
  workgroupBarrier();
  if (lane < 8u) {
    var part = 0.0;
    for (var k = 0u; k < ${WORKGROUP / 8}u; k++) { part += sums[lane * ${WORKGROUP / 8}u + k]; }
    sums[lane * ${WORKGROUP / 8}u] = part;
  }
  workgroupBarrier();
  if (lane == 0u) {
    var result = 0.0;
    for (var k = 0u; k < 8u; k++) { result += sums[k * ${WORKGROUP / 8}u]; }
#if ${accumulate}
    result += db[channel];
#endif
    db[channel] = result;
  }
}
`,
  };
}
