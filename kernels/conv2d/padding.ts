import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from '../kernel.ts';
import { linearMain, linearWorkgroups } from '../linear.ts';
import type { PaddingMode } from './geometry.ts';

/*
 * Frames: images copied into a larger (or, with negative margins, smaller) rectangle, so that the
 * convolution kernels read whole aligned vec4s and test no bounds.
 *
 *   frame[p, y, x] = x̄[p, y - top, x - left]      image: [P,H,W]   frame: [P,FH,FW], FW % 4 = 0
 *
 * x̄ continues the image with zeros, or by reflection about its border pixels (the border pixel is
 * not repeated). Beyond the reflected margin, which nobody looks at, reflection gives zeros too.
 * One invocation makes one vec4 of the frame.
 *
 * `foldReflection` is the adjoint of the reflecting frame: every margin pixel adds to the pixel it
 * was copied from.
 */

export interface Frame {
  /** Images: batch times channels. */
  readonly planes: number;
  readonly height: number;
  readonly width: number;
  readonly top: number;
  readonly left: number;
  readonly frameHeight: number;
  /** A multiple of 4. */
  readonly frameWidth: number;
  readonly mode: PaddingMode;
}

export function frameLength(frame: Frame): number {
  return frame.planes * frame.frameHeight * frame.frameWidth;
}

/** Whether the frame is the image itself, so that no copy is needed. */
export function isIdentity(frame: Frame): boolean {
  return (
    frame.top === 0 &&
    frame.left === 0 &&
    frame.frameHeight === frame.height &&
    frame.frameWidth === frame.width
  );
}

/** Copies images into frames. Bindings: image, frame, sizes. */
export function frameImage(frame: Frame): Kernel {
  const { planes, height, width, top, left, frameHeight, frameWidth, mode } = frame;
  const count = (planes * frameHeight * frameWidth) / 4;
  const reflect = mode === 'reflect';
  return {
    key: `frame.${mode}`,
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(count),
    constants: [height, width, top >>> 0, left >>> 0, frameHeight, frameWidth / 4],
    code: () => wgsl`
struct Sizes { height: i32, width: i32, top: i32, left: i32, rows: u32, quads: u32 }
@group(0) @binding(0) var<storage, read> image: array<f32>;
@group(0) @binding(1) var<storage, read_write> frame: array<vec4f>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;

// The image's pixel seen at i; outside of [0, size) if none is.
fn source(i: i32, size: i32) -> i32 {
#if ${reflect}
  let folded = select(i, -i, i < 0);
  return select(folded, 2 * (size - 1) - folded, folded >= size);
#else
  return i;
#endif
}

${linearMain('arrayLength(&frame)')}
  let row = index / sizes.quads;
  let y = source(i32(row % sizes.rows) - sizes.top, sizes.height);
  var value = vec4f(0.0);
  if (y >= 0 && y < sizes.height) {
    let start = (i32(row / sizes.rows) * sizes.height + y) * sizes.width;
    let first = i32(index % sizes.quads) * 4 - sizes.left;
    for (var i = 0; i < 4; i++) {
      let x = source(first + i, sizes.width);
      if (x >= 0 && x < sizes.width) { value[i] = image[start + x]; }
    }
  }
  frame[index] = value;
}
`,
  };
}

/**
 * Adds the margins of reflecting frames back onto the images they came from; exact frames only:
 * frame extents are image extents plus twice `padding`, and padding < extent.
 * Bindings: frame [P, H+2p, W+2p], image [P,H,W], sizes.
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
@group(0) @binding(0) var<storage, read> frame: array<f32>;
@group(0) @binding(1) var<storage, read_write> image: array<f32>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;

// The places of a frame that show pixel i: itself, and its mirror images about 0 and about size - 1,
// or -1 where there are none.
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
        if (xs[i] >= 0) { sum += frame[start + xs[i]]; }
      }
    }
  }
  image[index] = sum;
}
`,
  };
}
