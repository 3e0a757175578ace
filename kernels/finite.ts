import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from './kernel.ts';
import { linearMain, linearWorkgroups } from './linear.ts';

/*
 * Counts the elements of x that are NaN or infinite into counts[slot], by their bits: exponent all
 * ones. Comparisons would not do, since shaders may assume that there is no NaN.
 *
 * Each invocation looks at a few vec4s and touches the counter only if it found something. The
 * counter is an integer, so the order of the additions does not matter.
 */

/** vec4s an invocation looks at. */
const VECTORS = 8;

/** Bindings x, slot (one u32), counts (u32, added to). @param size elements of x */
export function countNonFiniteKernel(size: number): Kernel {
  const tail = size % 4;
  return {
    key: `finite.tail${tail}`,
    bindings: ['read', 'read', 'write'],
    workgroups: linearWorkgroups(Math.ceil(Math.ceil(size / 4) / VECTORS)),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> x: array<vec4u>;
@group(0) @binding(1) var<storage, read> slot: array<u32>;
@group(0) @binding(2) var<storage, read_write> counts: array<atomic<u32>>;
${linearMain(`(arrayLength(&x) + ${VECTORS - 1}u) / ${VECTORS}u`)}
  let vectors = arrayLength(&x);
  let count = (vectors + ${VECTORS - 1}u) / ${VECTORS}u;
  var found = vec4u(0u);
  // Vectors of neighbouring invocations lie side by side.
  for (var k = 0u; k < ${VECTORS}u; k++) {
    let vector = k * count + index;
    if (vector < vectors) {
      var bad = (x[vector] & vec4u(0x7f800000u)) == vec4u(0x7f800000u);
#if ${tail !== 0}
      bad = bad & (vec4<bool>(vector + 1u < vectors) | (vec4u(0u, 1u, 2u, 3u) < vec4u(${tail}u)));
#endif
      found += select(vec4u(0u), vec4u(1u), bad);
    }
  }
  let total = found.x + found.y + found.z + found.w;
  if (total > 0u) { atomicAdd(&counts[slot[0]], total); }
}
`,
  };
}
