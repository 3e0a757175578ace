import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type GridSampleSpec, gridSampleKey, tapsFunction } from './grid-sample.ts';
import { clearSums, scatterToTiles, storeSums } from './grid-sample-scatter.ts';
import type { AdapterProfile, Kernel, Plan } from './kernel.ts';
import { linearMain, linearWorkgroups } from './linear.ts';

/*
 * The gradient of bilinear sampling with respect to the image is a scatter: any output pixel may touch
 * any input pixel. It is done without atomics, in a fixed order. A first kernel finds, for each block
 * of 8×8 output pixels, the box of their first taps; for smooth displacements boxes are small. Then
 *
 *  - on GPUs each input pixel goes over the blocks of its image and, where it lies in a block's
 *    box, over the block's pixels;
 *  - on CPU drivers, which have fewer lanes and for which that is a hundred times the work, a lane owns
 *    a tile of input pixels and adds up what belongs there: `grid-sample-scatter.ts`.
 */

/** Output pixels along each axis of a block. */
const BLOCK = 8;
/** Channels an invocation of the gather handles. */
const CHANNELS = 4;

/** Inputs grid, dy; output dx. */
export function gridSampleInputGradient(spec: GridSampleSpec, profile: AdapterProfile): Plan {
  const { batch, channels, height, width } = spec;
  const blocks = Math.ceil(spec.outputHeight / BLOCK) * Math.ceil(spec.outputWidth / BLOCK);
  const boxes = { kernel: blockBoxes(spec), operands: [{ input: 0 }, { temporary: 0 }] };
  if (profile.kind === 'gpu') {
    return {
      temporaries: [batch * blocks * 4],
      steps: [
        boxes,
        {
          kernel: gather(spec),
          operands: [{ input: 0 }, { input: 1 }, { temporary: 0 }, { output: 0 }],
        },
      ],
    };
  }
  const count = batch * channels * height * width;
  return {
    temporaries: [batch * blocks * 4, count],
    steps: [
      boxes,
      { kernel: clearSums(count), operands: [{ temporary: 1 }] },
      {
        kernel: scatterToTiles(spec, BLOCK, profile),
        operands: [{ input: 0 }, { input: 1 }, { temporary: 0 }, { temporary: 1 }],
      },
      { kernel: storeSums(count), operands: [{ temporary: 1 }, { output: 0 }] },
    ],
  };
}

/** Opens a loop over the output pixels of a block, in order, with `at` their number in the image. */
function blockLoop({ outputHeight, outputWidth }: GridSampleSpec, body: string): string {
  const across = Math.ceil(outputWidth / BLOCK);
  return `let top = (block / ${across}u) * ${BLOCK}u;
    let left = (block % ${across}u) * ${BLOCK}u;
    let bottom = min(top + ${BLOCK}u, ${outputHeight}u);
    let right = min(left + ${BLOCK}u, ${outputWidth}u);
    for (var row = top; row < bottom; row++) {
      for (var column = left; column < right; column++) {
        let pixel = row * ${outputWidth}u + column;
        ${body}
      }
    }`;
}

/** Smallest and largest first tap of each block: (x, y, x, y). Bindings grid, boxes. */
function blockBoxes(spec: GridSampleSpec): Kernel {
  const { batch, outputHeight, outputWidth } = spec;
  const blocks = Math.ceil(outputHeight / BLOCK) * Math.ceil(outputWidth / BLOCK);
  const count = batch * blocks;
  return {
    key: gridSampleKey('boxes', spec),
    bindings: ['read', 'write'],
    workgroups: linearWorkgroups(count),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> grid: array<vec2f>;
@group(0) @binding(1) var<storage, read_write> boxes: array<vec4i>;
${tapsFunction(spec)}
${linearMain(count)}
  let image = (index / ${blocks}u) * ${outputHeight * outputWidth}u;
  let block = index % ${blocks}u;
  var lowest = vec2i(0x7fffffff);
  var highest = vec2i(-0x7fffffff);
    ${blockLoop(
      spec,
      `let first = taps(grid[image + pixel]).first;
        lowest = min(lowest, first);
        highest = max(highest, first);`,
    )}
  boxes[index] = vec4i(lowest, highest);
}
`,
  };
}

/** Bindings grid, dy, boxes, dx. One invocation an input pixel and four channels. */
function gather(spec: GridSampleSpec): Kernel {
  const { batch, channels, height, width, outputHeight, outputWidth } = spec;
  const blocks = Math.ceil(outputHeight / BLOCK) * Math.ceil(outputWidth / BLOCK);
  const outputs = outputHeight * outputWidth;
  const pixels = height * width;
  const groups = Math.ceil(channels / CHANNELS);
  const count = batch * groups * pixels;
  const each = Array.from({ length: Math.min(channels, CHANNELS) }, (_, k) => k);
  const guard = (k: number): string =>
    channels % CHANNELS && groups > 1 ? `if (channel + ${k}u < ${channels}u) ` : '';
  return {
    key: gridSampleKey('gather', spec),
    bindings: ['read', 'read', 'read', 'write'],
    workgroups: linearWorkgroups(count),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> grid: array<vec2f>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> boxes: array<vec4i>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;
${tapsFunction(spec)}
${linearMain(count)}
  let own = index % ${pixels}u;
  let me = vec2i(i32(own % ${width}u), i32(own / ${width}u));
  let sample = index / ${groups * pixels}u;
  let channel = (index / ${pixels}u) % ${groups}u * ${CHANNELS}u;
  let plane = sample * ${channels}u + channel;
  var sum = vec4f(0.0);
  let blocks = select(0u, ${blocks}u, groups.x > 0u);
  for (var block = 0u; block < blocks; block++) {
    let box = boxes[sample * ${blocks}u + block];
    // A pixel is a tap of those whose first tap is itself, or one less in x, y or both.
    if (any(me < box.xy) || any(me > box.zw + 1)) { continue; }
    ${blockLoop(
      spec,
      `let at = taps(grid[sample * ${outputs}u + pixel]);
        let step = me - at.first;
        if (all(step >= vec2i(0)) && all(step <= vec2i(1))) {
          let weights = select(1.0 - at.weight, at.weight, step == vec2i(1));
          let weight = weights.x * weights.y;
          ${each
            .map(
              (k) =>
                `${guard(k)}{ sum[${k}] += weight * dy[(plane + ${k}u) * ${outputs}u + pixel]; }`,
            )
            .join('\n          ')}
        }`,
    )}
  }
  ${each.map((k) => `${guard(k)}{ result[(plane + ${k}u) * ${pixels}u + own] = sum[${k}]; }`).join('\n  ')}
}
`,
  };
}
