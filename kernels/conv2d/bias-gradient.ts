import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel, Plan } from '../kernel.ts';
import { linearMain, linearWorkgroups } from '../linear.ts';
import { roundUp } from './geometry.ts';
import { sumSplits } from './weight-gradient.ts';

/*
 * Bias gradient: db[o] = Σ_{n,i} dy[n,o,i], dy: [N,O,P] with P pixels a plane. Every plane is cut into
 * parts, an invocation sums one part of one channel, and a second kernel adds the parts in order.
 */

/** Invocations wanted for the first kernel. */
const INVOCATIONS = 1024;

/** Bindings: dy, partial sums [N·parts][O], sizes. */
function sumPlanes(batch: number, channels: number, pixels: number, parts: number): Kernel {
  const vector = pixels % 4 === 0;
  const plane = vector ? pixels / 4 : pixels;
  const type = vector ? 'vec4f' : 'f32';
  const count = batch * parts * channels;
  return {
    key: `biasgradient.${type}`,
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(count),
    constants: [count, channels, roundUp(channels, 4), parts, plane, Math.ceil(plane / parts)],
    code: () => wgsl`
struct Sizes { count: u32, channels: u32, pitch: u32, parts: u32, plane: u32, chunk: u32 }
@group(0) @binding(0) var<storage, read> dy: array<${type}>;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;

${linearMain('sizes.count')}
  let channel = index % sizes.channels;
  let slice = index / sizes.channels;
  let part = slice % sizes.parts;
  let start = ((slice / sizes.parts) * sizes.channels + channel) * sizes.plane;
  let end = min((part + 1u) * sizes.chunk, sizes.plane);
  var sum = ${type}(0.0);
  for (var i = part * sizes.chunk; i < end; i++) { sum += dy[start + i]; }
#if ${vector}
  partial[slice * sizes.pitch + channel] = (sum.x + sum.y) + (sum.z + sum.w);
#else
  partial[slice * sizes.pitch + channel] = sum;
#endif
}
`,
  };
}

/** Input: dy [N,O,P]. Output: db [O], overwritten, or added to if `accumulate`. */
export function biasGradient(
  batch: number,
  channels: number,
  pixels: number,
  accumulate: boolean,
): Plan {
  const parts = Math.max(
    1,
    Math.min(Math.ceil(INVOCATIONS / (batch * channels)), Math.ceil(pixels / 64)),
  );
  const splits = batch * parts;
  return {
    temporaries: [splits * roundUp(channels, 4)],
    steps: [
      {
        kernel: sumPlanes(batch, channels, pixels, parts),
        operands: [{ input: 0 }, { temporary: 0 }],
      },
      {
        kernel: sumSplits(channels, splits, accumulate),
        operands: [{ temporary: 0 }, { output: 0 }],
      },
    ],
  };
}
