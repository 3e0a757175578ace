import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from '../kernel.ts';
import { linearMain, linearWorkgroups } from '../linear.ts';

/*
 * Adjoint of extending images by reflection: every pixel of the margin adds to the pixel that it was
 * copied from.
 *
 *   image[p,y,x] = Σ { padded[p,v,u] : (v,u) shows (y,x) }     padded: [P, H+2m, W+2m], m < H, W
 *
 * Bindings: padded, image [P,H,W], sizes. One invocation makes one pixel.
 */
export function foldReflection(
  planes: number,
  height: number,
  width: number,
  padding: number,
): Kernel {
  const count = planes * height * width;
  return {
    key: 'fold',
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(count),
    constants: [count, height, width, padding],
    code: () => wgsl`
struct Sizes { count: u32, height: i32, width: i32, padding: i32 }
@group(0) @binding(0) var<storage, read> padded: array<f32>;
@group(0) @binding(1) var<storage, read_write> image: array<f32>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;

// The places that show pixel i: itself, and its mirror images about 0 and about size - 1, or -1 where
// there are none.
fn copies(i: i32, size: i32) -> vec3i {
  let p = sizes.padding;
  return vec3i(
    i + p,
    select(-1, p - i, i >= 1 && i <= p),
    select(-1, 2 * (size - 1) - i + p, i <= size - 2 && i >= size - 1 - p));
}

${linearMain('sizes.count')}
  let at = i32(index);
  let plane = at / (sizes.height * sizes.width);
  let ys = copies((at / sizes.width) % sizes.height, sizes.height);
  let xs = copies(at % sizes.width, sizes.width);
  var sum = 0.0;
  for (var j = 0; j < 3; j++) {
    let y = ys[j];
    if (y >= 0) {
      let start = (plane * (sizes.height + 2 * sizes.padding) + y) * (sizes.width + 2 * sizes.padding);
      for (var i = 0; i < 3; i++) {
        if (xs[i] >= 0) { sum += padded[start + xs[i]]; }
      }
    }
  }
  image[index] = sum;
}
`,
  };
}
