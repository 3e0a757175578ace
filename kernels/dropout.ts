import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { AdapterProfile, Kernel } from './kernel.ts';
import { literal, vectorMain, vectorWorkgroups } from './linear.ts';
import { PHILOX } from './philox.ts';

/*
 * Inverted dropout: y[e] = x[e]·(kept[e] ? 1/(1-p) : 0).
 *
 * The mask is a pure function of (seed, step, site, e): element e is kept if word e mod 4 of
 * Philox(counter = (⌊e/4⌋, site, step, 0), key = seed) is below (1-p)·2³². So the backward pass is the
 * same kernel on dy, and nothing has to be kept. The draw is a multiplication, so that NaN and
 * infinities are not hidden by being dropped.
 *
 * key: four words: seed (low, high), step, site.
 */

/** Words below this are kept. */
export function keepThreshold(probability: number): number {
  return Math.min(Math.round((1 - probability) * 2 ** 32), 2 ** 32 - 1);
}

/** Bindings x, key, y. @param probability of being dropped, in (0, 1] */
export function dropoutKernel(probability: number, size: number, profile?: AdapterProfile): Kernel {
  const factor = probability < 1 ? 1 / (1 - probability) : 0;
  return {
    key: `dropout.${probability}`,
    bindings: ['read', 'read', 'write'],
    workgroups: vectorWorkgroups(Math.ceil(size / 4), profile),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> key: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4f>;
${PHILOX}
${vectorMain('arrayLength(&result)')}
  let words = philox(vec4u(index, key[0].w, key[0].z, 0u), key[0].xy);
  let kept = words < vec4u(${keepThreshold(probability)}u);
  result[index] = x[index] * select(vec4f(0.0), vec4f(${literal(factor)}), kept);
  }
}
`,
  };
}
