import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from './kernel.ts';
import { linearMain, linearWorkgroups } from './linear.ts';

/*
 * Shows images, or stored ones in their stead, and stores some; image after image:
 *
 *   swap into place p    result[i] = pool[p],   pool[p] ← images[i]
 *   store at place p     result[i] = images[i], pool[p] ← images[i]
 *   show                 result[i] = images[i]
 *
 * images, result: [count, length]; pool: [capacity, length]; choices: a word an image. An invocation has one
 * element (a vec4 where the length allows it) of all images, so that an image meets what earlier ones left.
 */

/** The word of an image that is shown and not stored. */
export const SHOW = 0xffffffff;

/** The word of an image that is stored at a place, and swapped for what is there or shown itself. */
export function storeAt(place: number, swap: boolean): number {
  return place * 2 + (swap ? 1 : 0);
}

/** Bindings images, choices, pool, result. @param length elements of an image */
export function exchangeImages(count: number, length: number): Kernel {
  const width = length % 4 === 0 ? 4 : 1;
  const type = width === 4 ? 'vec4f' : 'f32';
  return {
    key: `exchange-images.${width}`,
    bindings: ['read', 'read', 'write', 'write', 'read'],
    workgroups: linearWorkgroups(length / width),
    constants: [count, length / width],
    code: () => wgsl`
struct Sizes { count: u32, length: u32 }
@group(0) @binding(0) var<storage, read> images: array<${type}>;
@group(0) @binding(1) var<storage, read> choices: array<u32>;
@group(0) @binding(2) var<storage, read_write> pool: array<${type}>;
@group(0) @binding(3) var<storage, read_write> result: array<${type}>;
@group(0) @binding(4) var<storage, read> sizes: Sizes;
${linearMain('sizes.length')}
  for (var i = 0u; i < sizes.count; i++) {
    let at = i * sizes.length + index;
    let image = images[at];
    let choice = choices[i];
    var shown = image;
    if (choice != ${SHOW}u) {
      let stored = (choice >> 1u) * sizes.length + index;
      if ((choice & 1u) == 1u) { shown = pool[stored]; }
      pool[stored] = image;
    }
    result[at] = shown;
  }
}
`,
  };
}
