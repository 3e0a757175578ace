import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type Kernel, spreadWorkgroups } from '../kernel.ts';
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

const WORKGROUP = 64;

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

/** Copies images into frames. Bindings: image, frame. */
export function frameImage(frame: Frame): Kernel {
  const { planes, height, width, top, left, frameHeight, frameWidth, mode } = frame;
  const quads = frameWidth / 4;
  const count = planes * frameHeight * quads;
  const reflect = mode === 'reflect';
  return {
    key: `frame.${planes}x${height}x${width}+${top},${left}-${frameHeight}x${frameWidth}.${mode}`,
    bindings: ['read', 'write'],
    workgroups: spreadWorkgroups(Math.ceil(count / WORKGROUP)),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> image: array<f32>;
@group(0) @binding(1) var<storage, read_write> frame: array<vec4f>;

#if ${reflect}
fn mirror(at: i32, size: i32) -> i32 {
  let i = select(at, -at, at < 0);
  return select(i, 2 * (size - 1) - i, i >= size);
}
#endif

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * groups.x + group.x) * ${WORKGROUP}u + lane;
  if (index >= ${count}u) { return; }
  let row = index / ${quads}u;
  let plane = row / ${frameHeight}u;
#if ${reflect}
  let y = mirror(i32(row % ${frameHeight}u) - ${top}, ${height});
#else
  let y = i32(row % ${frameHeight}u) - ${top};
#endif
  var value = vec4f(0.0);
  if (y >= 0 && y < ${height}) {
    let x = vec4i(i32(index % ${quads}u) * 4 - ${left}) + vec4i(0, 1, 2, 3);
#if ${reflect}
    let at = vec4i(mirror(x.x, ${width}), mirror(x.y, ${width}), mirror(x.z, ${width}), mirror(x.w, ${width}));
#else
    let at = x;
#endif
    let start = i32(plane) * ${height * width} + y * ${width};
    let at4 = vec4u(start + clamp(at, vec4i(0), vec4i(${width - 1})));
    let read = vec4f(image[at4.x], image[at4.y], image[at4.z], image[at4.w]);
    value = select(vec4f(0.0), read, (at >= vec4i(0)) & (at < vec4i(${width})));
  }
  frame[index] = value;
}
`,
  };
}

/**
 * Adds the margins of reflecting frames back onto the images they came from; exact frames only:
 * frame extents are image extents plus twice `padding`, and padding < extent.
 * Bindings: frame [P, H+2p, W+2p], image [P,H,W].
 */
export function foldReflection(
  planes: number,
  height: number,
  width: number,
  padding: number,
): Kernel {
  const count = planes * height * width;
  const frameHeight = height + 2 * padding;
  const frameWidth = width + 2 * padding;
  return {
    key: `fold.${planes}x${height}x${width}p${padding}`,
    bindings: ['read', 'write'],
    workgroups: spreadWorkgroups(Math.ceil(count / WORKGROUP)),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> frame: array<f32>;
@group(0) @binding(1) var<storage, read_write> image: array<f32>;

// The places of a frame that show pixel i: itself, and its mirror images about 0 and about size - 1,
// or -1 where there are none.
fn copies(i: i32, size: i32) -> vec3i {
  return vec3i(
    i + ${padding},
    select(-1, ${padding} - i, i >= 1 && i <= ${padding}),
    select(-1, 2 * (size - 1) - i + ${padding}, i <= size - 2 && i >= size - 1 - ${padding}));
}

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * groups.x + group.x) * ${WORKGROUP}u + lane;
  if (index >= ${count}u) { return; }
  let plane = i32(index / ${height * width}u);
  let ys = copies(i32(index / ${width}u) % ${height}, ${height});
  let xs = copies(i32(index % ${width}u), ${width});
  var sum = 0.0;
  for (var j = 0; j < 3; j++) {
    let y = ys[j];
    if (y < 0) { continue; }
    let start = plane * ${frameHeight * frameWidth} + y * ${frameWidth};
    for (var i = 0; i < 3; i++) {
      let x = xs[i];
      if (x >= 0) { sum += frame[start + x]; }
    }
  }
  image[index] = sum;
}
`,
  };
}
