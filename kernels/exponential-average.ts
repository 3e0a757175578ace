import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from './kernel.ts';
import { linearMain, linearWorkgroups } from './linear.ts';

/*
 * Exponential moving average of an arena, a vec4 an invocation:
 *
 *   a ← d·a + (1-d)·x
 *
 * computed as a + (1-d)(x-a), which leaves a = x exactly where it is. The decay may change from step
 * to step, so 1-d comes through a storage, subtracted in double on the host: 1 - f32(0.999) alone is
 * wrong by 5e-5.
 */

/**
 * Values of the `rate` binding.
 * @param decay d, from 0 (copy) to 1 (keep)
 */
export function exponentialAverageRate(decay: number): Float32Array {
  return Float32Array.of(1 - decay);
}

/**
 * Bindings value x, rate, average a.
 * @param length elements of the arena
 */
export function exponentialAverage(length: number): Kernel {
  return {
    key: 'exponential_average',
    bindings: ['read', 'read', 'write'],
    workgroups: linearWorkgroups(Math.ceil(length / 4)),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> value: array<vec4f>;
@group(0) @binding(1) var<storage, read> rate: array<f32>;
@group(0) @binding(2) var<storage, read_write> average: array<vec4f>;
${linearMain('arrayLength(&average)')}
  let before = average[index];
  average[index] = before + rate[0] * (value[index] - before);
}
`,
  };
}
