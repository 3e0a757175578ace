import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel, Plan } from '../kernel.ts';
import { linearMain, linearWorkgroups } from '../linear.ts';
import { roundUp } from './geometry.ts';
import { sumSplits } from './weight-gradient.ts';

/*
 * Bias gradient: db[o] = Σ_{n,i} dy[n,o,i], dy: [N,O,P] with P pixels a plane. Every plane is cut into
 * parts; an invocation sums one part of one channel over all images. Where there are several parts, a
 * second kernel adds them in order.
 */

/** Invocations wanted for the first kernel. */
const INVOCATIONS = 512;

/** Elements that are not worth a second kernel. */
const SHORT = 1024;

interface Sizes {
  readonly batch: number;
  readonly channels: number;
  readonly pixels: number;
  readonly parts: number;
}

/** Bindings: dy, db or partial sums [parts][O], sizes. */
function sumPlanes({ batch, channels, pixels, parts }: Sizes, accumulate: boolean): Kernel {
  const vector = pixels % 4 === 0;
  const plane = vector ? pixels / 4 : pixels;
  const type = vector ? 'vec4f' : 'f32';
  const count = parts * channels;
  return {
    key: `biasgradient.${type}${accumulate ? '+' : ''}`,
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(count),
    constants: [
      count,
      batch,
      channels,
      parts > 1 ? roundUp(channels, 4) : 0,
      plane,
      Math.ceil(plane / parts),
    ],
    code: () => wgsl`
struct Sizes { count: u32, batch: u32, channels: u32, pitch: u32, plane: u32, chunk: u32 }
@group(0) @binding(0) var<storage, read> dy: array<${type}>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;

${linearMain('sizes.count')}
  let channel = index % sizes.channels;
  let part = index / sizes.channels;
  let end = min((part + 1u) * sizes.chunk, sizes.plane);
  var sum = ${type}(0.0);
  for (var n = 0u; n < sizes.batch; n++) {
    let start = (n * sizes.channels + channel) * sizes.plane;
    for (var i = part * sizes.chunk; i < end; i++) { sum += dy[start + i]; }
  }
  let at = part * sizes.pitch + channel;
#if ${vector}
  let total = (sum.x + sum.y) + (sum.z + sum.w);
#else
  let total = sum;
#endif
#if ${accumulate}
  result[at] = result[at] + total;
#else
  result[at] = total;
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
    Math.min(Math.ceil(INVOCATIONS / channels), Math.ceil((batch * pixels) / SHORT)),
  );
  const sizes = { batch, channels, pixels, parts };
  if (parts === 1) {
    const kernel = sumPlanes(sizes, accumulate);
    return { temporaries: [], steps: [{ kernel, operands: [{ input: 0 }, { output: 0 }] }] };
  }
  return {
    temporaries: [parts * roundUp(channels, 4)],
    steps: [
      { kernel: sumPlanes(sizes, false), operands: [{ input: 0 }, { temporary: 0 }] },
      {
        kernel: sumSplits(channels, parts, accumulate),
        operands: [{ temporary: 0 }, { output: 0 }],
      },
    ],
  };
}
