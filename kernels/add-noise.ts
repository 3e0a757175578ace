import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from './kernel.ts';
import { linearMain, linearWorkgroups, literal } from './linear.ts';
import { PHILOX } from './philox.ts';

/*
 * Gaussian noise: y[e] = x[e] + σ·Φ⁻¹((w + ½)/2³²), w being word e mod 4 of
 * Philox(counter = (⌊e/4⌋, site, step, 2), key = seed); dropout has a 0 in place of the 2.
 *
 * Φ⁻¹ is Wichura's rational approximation PPND7 (Applied Statistics 37, 1988, algorithm AS 241), good to about
 * seven digits. Unlike Box and Muller's way it needs no sine, which WGSL leaves implementations to compute to
 * 2⁻¹¹. The word is split by sign, so that the probability of a tail is exact before it is rounded.
 *
 * key: four words: seed (low, high), step, site.
 */

/** Fourth word of the counter, which keeps these draws apart from dropout's. */
export const NOISE_STREAM = 2;

const QUANTILE = `
fn tailQuantile(tail: f32) -> f32 {
  let r = sqrt(-log(tail));
  let near = r - 1.6;
  let far = r - 5.0;
  let middle = (1.4234372777 + near * (2.75681539 + near * (1.3067284816 + near * 0.17023821103)))
    / (1.0 + near * (0.7370016425 + near * 0.12021132975));
  let outer = (6.657905115 + far * (3.081226386 + far * (0.42868294337 + far * 0.017337203997)))
    / (1.0 + far * (0.24197894225 + far * 0.012258202635));
  return select(outer, middle, r <= 5.0);
}

/** The normal deviate below which a share (w + ½)/2³² of all lie. */
fn normalQuantile(word: u32) -> f32 {
  let upper = word >= 0x80000000u;
  let magnitude = select(0x7fffffffu - word, word - 0x80000000u, upper);
  let q = (f32(magnitude) + 0.5) * 2.3283064365386963e-10;
  let tail = (f32(0x7fffffffu - magnitude) + 0.5) * 2.3283064365386963e-10;
  let r = 0.180625 - q * q;
  let centre = q * (3.3871327179 + r * (50.434271938 + r * (159.29113202 + r * 59.10937472)))
    / (1.0 + r * (17.895169469 + r * (78.757757664 + r * 67.1875636)));
  let value = select(tailQuantile(tail), centre, q <= 0.425);
  return select(-value, value, upper);
}`;

/** Bindings x, key, y. */
export function addNoiseKernel(deviation: number, size: number): Kernel {
  return {
    key: `add-noise.${Math.fround(deviation)}`,
    bindings: ['read', 'read', 'write'],
    workgroups: linearWorkgroups(Math.ceil(size / 4)),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> key: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4f>;
${PHILOX}
${QUANTILE}

${linearMain('arrayLength(&result)')}
  let words = philox(vec4u(index, key[0].w, key[0].z, ${NOISE_STREAM}u), key[0].xy);
  let noise = vec4f(normalQuantile(words.x), normalQuantile(words.y),
                    normalQuantile(words.z), normalQuantile(words.w));
  result[index] = x[index] + ${literal(deviation)} * noise;
}
`,
  };
}
