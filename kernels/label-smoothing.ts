import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from './kernel.ts';

/**
 * The discriminator's target for real images, decided on the device so that a step needs no round
 * trip:
 *
 *     t = 1    if mean(D(real)) < limit and mean(D(fake)) < limit
 *         s    otherwise
 *
 * Bindings: mean over real logits, mean over fake logits, t (one element each). Paper section
 * "Discriminator Loss": limit 0.9, s 0.9.
 */
export function labelSmoothing(limit: number, smoothed: number): Kernel {
  return {
    key: `label-smoothing.${limit}.${smoothed}`,
    bindings: ['read', 'read', 'write'],
    workgroups: [1, 1, 1],
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> real: array<f32>;
@group(0) @binding(1) var<storage, read> fake: array<f32>;
@group(0) @binding(2) var<storage, read_write> label: array<f32>;

@compute @workgroup_size(1)
fn main() {
  let confident = real[0] >= ${limit} || fake[0] >= ${limit};
  label[0] = select(1.0, ${smoothed}, confident);
}
`,
  };
}
