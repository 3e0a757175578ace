import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type AdapterProfile, floatBits, type Kernel } from './kernel.ts';
import { workgroupSum } from './workgroup-sum.ts';

/**
 * The discriminator's target for real images, decided on the device so that a step needs no round
 * trip:
 *
 *     t = 1    if mean(D(real)) < limit and mean(D(fake)) < limit
 *         s    otherwise
 *
 * Bindings: logits of real images, logits of fakes, t (one element). One workgroup: logits are few.
 * Paper section "Discriminator Loss": limit 0.9, s 0.9.
 * @param counts elements of both logits
 */
export function labelSmoothing(
  limit: number,
  smoothed: number,
  counts: readonly [number, number],
  profile: AdapterProfile,
): Kernel {
  const sum = workgroupSum('f32', profile, 256);
  const { lanes } = sum;
  return {
    key: `label-smoothing.${limit}.${smoothed}.${sum.tag}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: [1, 1, 1],
    constants: [...counts, ...counts.map((count) => floatBits(1 / count))],
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
struct Sizes { reals: u32, fakes: u32, realFactor: f32, fakeFactor: f32 }
@group(0) @binding(0) var<storage, read> real: array<f32>;
@group(0) @binding(1) var<storage, read> fake: array<f32>;
@group(0) @binding(2) var<storage, read_write> label: array<f32>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${sum.declarations}

@compute @workgroup_size(${lanes})
fn main(@builtin(local_invocation_index) lane: u32) {
  var reals = 0f;
  for (var i = lane; i < sizes.reals; i += ${lanes}u) { reals += real[i]; }
  var fakes = 0f;
  for (var i = lane; i < sizes.fakes; i += ${lanes}u) { fakes += fake[i]; }
  let realMean = workgroupSum(reals, lane) * sizes.realFactor;
  let fakeMean = workgroupSum(fakes, lane) * sizes.fakeFactor;
  let confident = realMean >= ${limit} || fakeMean >= ${limit};
  if (lane == 0u) { label[0] = select(1.0, ${smoothed}, confident); }
}
`,
  };
}
