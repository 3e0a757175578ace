import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type AdapterProfile, floatBits, type Kernel, spreadWorkgroups } from './kernel.ts';
import { workgroupSum } from './workgroup-sum.ts';

/*
 * Which pixels of an image are the surest: those whose variance lies below a quantile of that image's,
 *
 *   y[n,p] = [v[n,p] < q_n]/(number of such pixels of image n)
 *
 * with q_n the linear interpolation between the order statistics v_(k) and v_(k+1), counted from 0, at
 * k + fraction = quantile·(P - 1), as NumPy and PyTorch have it. v < q_n is v ≤ v_(k) if fraction > 0 and
 * v_(k) < v_(k+1), else v < v_(k), so q_n itself is never computed.
 *
 * v_(k) is found bit by bit: floats from 0 on are ordered like their bits, and the largest pattern with at most
 * k values below it is v_(k). 31 passes over the image, one workgroup an image; counts are floats (exact to
 * 2²⁴ pixels) and come out of the fixed tree of all sums. No sorting, no atomics. An image with a NaN, which has no
 * quantile, gets NaN everywhere.
 */

const LANES = 256;

/** Pixels up to which counts are exact. */
export const MOST_PIXELS = 2 ** 24;

/** Bindings v (≥ 0), y. @param pixels of an image, at most 2²⁴ */
export function certaintyKernel(
  images: number,
  pixels: number,
  quantile: number,
  profile: AdapterProfile,
): Kernel {
  const sum = workgroupSum('f32', profile, LANES);
  const position = quantile * (pixels - 1);
  const rank = Math.floor(position);
  return {
    key: `certainty.${sum.tag}`,
    bindings: ['read', 'write', 'read'],
    workgroups: spreadWorkgroups(images),
    constants: [images, pixels, floatBits(rank), position > rank ? 1 : 0, floatBits(Number.NaN)],
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
struct Sizes { images: u32, pixels: u32, rank: f32, between: u32, nan: u32 }
@group(0) @binding(0) var<storage, read> variance: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;
${sum.declarations}

fn countBelow(base: u32, limit: u32, lane: u32) -> f32 {
  let pixels = sizes.pixels;
  var part = 0.0;
  for (var i = lane; i < pixels; i += ${sum.lanes}u) {
    part += select(0.0, 1.0, variance[base + i] < limit);
  }
  return workgroupSum(part, lane);
}

@compute @workgroup_size(${sum.lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let image = group.y * groups.x + group.x;
  if (image >= sizes.images) { return; }
  let base = image * sizes.pixels;
  var found = 0u;
  for (var bit = 0u; bit < 31u; bit++) {
    let candidate = found | (0x40000000u >> bit);
    let below = countBelow(base, candidate, lane);
    found = select(found, candidate, below <= sizes.rank);
  }
  let upTo = countBelow(base, found + 1u, lane);
  // v_(k+1) is larger if no more than k + 1 values reach v_(k).
  let included = sizes.between == 1u && upTo <= sizes.rank + 1.0;
  let limit = select(found, found + 1u, included);
  let kept = countBelow(base, limit, lane);
  let share = select(1.0 / kept, 0.0, kept == 0.0);
  let pixels = sizes.pixels;
  // Bits above those of infinity. Bits are moved, not a number: a driver may hold NaN to be impossible.
  let isNumber = countBelow(base, 0x7f800001u, lane) == f32(pixels);
  for (var i = lane; i < pixels; i += ${sum.lanes}u) {
    let weight = bitcast<u32>(select(0.0, share, variance[base + i] < limit));
    result[base + i] = select(sizes.nan, weight, isNumber);
  }
}
`,
  };
}
