import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel, Plan } from './kernel.ts';
import { linearMain, linearWorkgroups } from './linear.ts';

/*
 * Bilinear sampling of images at given positions:
 *
 *   x: [N,C,H,W]   grid: [N,OH,OW,2] of (x, y) in [-1,1]   y: [N,C,OH,OW]
 *
 *   pixel position  p = (g+1)/2·(size-1)     with aligned corners: ±1 are centres of corner pixels
 *                   p = ((g+1)·size - 1)/2   without: ±1 are the outer borders of corner pixels
 *
 * `border` clamps p to the image; `zeros` takes pixels outside as 0.
 *
 * The gradient with respect to x is a scatter: any output pixel may touch any input pixel. It is done
 * without atomics, in a fixed order: one kernel finds, for each tile of 8×8 output pixels, the box of
 * input pixels it touches; in another, each input pixel goes over the tiles of its image and, where it
 * lies in a tile's box, over the tile's pixels. For smooth displacements that is a few tiles.
 */

export interface GridSampleSpec {
  readonly batch: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly outputHeight: number;
  readonly outputWidth: number;
  readonly alignCorners: boolean;
  readonly paddingMode: 'border' | 'zeros';
}

const TILE = 8;
/** Channels an invocation of the gather handles. */
const CHANNELS = 4;

function keyOf(name: string, spec: GridSampleSpec): string {
  const { batch, channels, height, width, outputHeight, outputWidth } = spec;
  const corners = spec.alignCorners ? 'corners' : 'centres';
  return `grid-sample.${name}.${batch}x${channels}x${height}x${width}.${outputHeight}x${outputWidth}.${corners}.${spec.paddingMode}`;
}

/**
 * Declares `Taps` and `taps(g)`: the upper left of the four pixels, and the weight of the right and
 * the lower ones; `inside(pixel)`; and `isNan(g)`.
 */
function tapsFunction(spec: GridSampleSpec): string {
  const { height, width, alignCorners, paddingMode } = spec;
  const size = `vec2f(${width}.0, ${height}.0)`;
  return `
struct Taps { first: vec2i, weight: vec2f }

fn position(g: vec2f) -> vec2f {
  return ${alignCorners ? `(g + 1.0) * 0.5 * (${size} - 1.0)` : `((g + 1.0) * ${size} - 1.0) * 0.5`};
}

fn taps(g: vec2f) -> Taps {
  // Two pixels outside the image nothing changes any more, so that integers do not overflow.
  let p = ${
    paddingMode === 'border'
      ? `clamp(position(g), vec2f(0.0), ${size} - 1.0)`
      : `clamp(position(g), vec2f(-2.0), ${size} + 1.0)`
  };
  let lower = floor(p);
  return Taps(vec2i(lower), p - lower);
}

fn inside(pixel: vec2i) -> bool {
  return all(pixel >= vec2i(0)) && all(pixel < vec2i(${width}, ${height}));
}

fn isNan(g: vec2f) -> bool {
  return any((bitcast<vec2u>(g) & vec2u(0x7fffffffu)) > vec2u(0x7f800000u));
}`;
}

/** Declares `fetch(plane, pixel)`: x there, 0 outside. The right neighbour of the last is weightless. */
function fetchFunction({ height, width }: GridSampleSpec): string {
  return `
fn fetch(plane: u32, pixel: vec2i) -> f32 {
  if (!inside(pixel)) { return 0.0; }
  return x[plane * ${height * width}u + u32(pixel.y) * ${width}u + u32(pixel.x)];
}`;
}

/** Bindings x, grid, y. */
export function gridSampleForward(spec: GridSampleSpec): Kernel {
  const { batch, channels, outputHeight, outputWidth } = spec;
  const outputs = outputHeight * outputWidth;
  const count = batch * channels * outputs;
  return {
    key: keyOf('forward', spec),
    bindings: ['read', 'read', 'write'],
    workgroups: linearWorkgroups(count),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> grid: array<vec2f>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;
${tapsFunction(spec)}
${fetchFunction(spec)}
${linearMain(count)}
  let plane = index / ${outputs}u;
  let g = grid[(plane / ${channels}u) * ${outputs}u + index % ${outputs}u];
  let at = taps(g);
  let top = mix(fetch(plane, at.first), fetch(plane, at.first + vec2i(1, 0)), at.weight.x);
  let bottom = mix(fetch(plane, at.first + vec2i(0, 1)), fetch(plane, at.first + vec2i(1, 1)), at.weight.x);
  let value = mix(top, bottom, at.weight.y);
  result[index] = select(value, g.x + g.y, isNan(g));
}
`,
  };
}

/** Bindings x, grid, dy, dgrid. */
export function gridSampleGridGradient(spec: GridSampleSpec): Kernel {
  const { batch, channels, height, width, outputHeight, outputWidth, paddingMode } = spec;
  const outputs = outputHeight * outputWidth;
  const count = batch * outputs;
  const size = `vec2f(${width}.0, ${height}.0)`;
  return {
    key: keyOf('grid-gradient', spec),
    bindings: ['read', 'read', 'read', 'write'],
    workgroups: linearWorkgroups(count),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> grid: array<vec2f>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<vec2f>;
${tapsFunction(spec)}
${fetchFunction(spec)}
${linearMain(count)}
  let g = grid[index];
  let at = taps(g);
  var sum = vec2f(0.0);
  let channels = select(0u, ${channels}u, groups.x > 0u);
  for (var c = 0u; c < channels; c++) {
    let plane = (index / ${outputs}u) * ${channels}u + c;
    let topLeft = fetch(plane, at.first);
    let topRight = fetch(plane, at.first + vec2i(1, 0));
    let bottomLeft = fetch(plane, at.first + vec2i(0, 1));
    let bottomRight = fetch(plane, at.first + vec2i(1, 1));
    let slope = vec2f(
      mix(topRight - topLeft, bottomRight - bottomLeft, at.weight.y),
      mix(bottomLeft - topLeft, bottomRight - topRight, at.weight.x),
    );
    sum += slope * dy[plane * ${outputs}u + index % ${outputs}u];
  }
  let scale = 0.5 * (${size}${spec.alignCorners ? ' - 1.0' : ''});
#if ${paddingMode === 'border'}
  // Where the position is clamped, it does not follow the grid.
  let p = position(g);
  let free = (p > vec2f(0.0)) & (p < ${size} - 1.0);
  result[index] = select(vec2f(0.0), sum * scale, free);
#else
  result[index] = sum * scale;
#endif
}
`,
  };
}

/** Inputs grid, dy; output dx. */
export function gridSampleInputGradient(spec: GridSampleSpec): Plan {
  const tiles = Math.ceil(spec.outputHeight / TILE) * Math.ceil(spec.outputWidth / TILE);
  return {
    temporaries: [spec.batch * tiles * 4],
    steps: [
      { kernel: tileBoxes(spec), operands: [{ input: 0 }, { temporary: 0 }] },
      {
        kernel: gather(spec),
        operands: [{ input: 0 }, { input: 1 }, { temporary: 0 }, { output: 0 }],
      },
    ],
  };
}

/** Opens a loop over the output pixels of a tile, in order, with `at` their number in the image. */
function tileLoop({ outputHeight, outputWidth }: GridSampleSpec, body: string): string {
  const across = Math.ceil(outputWidth / TILE);
  return `let top = (tile / ${across}u) * ${TILE}u;
    let left = (tile % ${across}u) * ${TILE}u;
    let bottom = min(top + ${TILE}u, ${outputHeight}u);
    let right = min(left + ${TILE}u, ${outputWidth}u);
    for (var row = top; row < bottom; row++) {
      for (var column = left; column < right; column++) {
        let pixel = row * ${outputWidth}u + column;
        ${body}
      }
    }`;
}

/** Smallest and largest first tap of each tile: (x, y, x, y). Bindings grid, boxes. */
function tileBoxes(spec: GridSampleSpec): Kernel {
  const { batch, outputHeight, outputWidth } = spec;
  const tiles = Math.ceil(outputHeight / TILE) * Math.ceil(outputWidth / TILE);
  const count = batch * tiles;
  return {
    key: keyOf('boxes', spec),
    bindings: ['read', 'write'],
    workgroups: linearWorkgroups(count),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> grid: array<vec2f>;
@group(0) @binding(1) var<storage, read_write> boxes: array<vec4i>;
${tapsFunction(spec)}
${linearMain(count)}
  let image = (index / ${tiles}u) * ${outputHeight * outputWidth}u;
  let tile = index % ${tiles}u;
  var lowest = vec2i(0x7fffffff);
  var highest = vec2i(-0x7fffffff);
    ${tileLoop(
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
  const tiles = Math.ceil(outputHeight / TILE) * Math.ceil(outputWidth / TILE);
  const outputs = outputHeight * outputWidth;
  const pixels = height * width;
  const groups = Math.ceil(channels / CHANNELS);
  const count = batch * groups * pixels;
  const each = Array.from({ length: Math.min(channels, CHANNELS) }, (_, k) => k);
  const guard = (k: number): string =>
    channels % CHANNELS && groups > 1 ? `if (channel + ${k}u < ${channels}u) ` : '';
  return {
    key: keyOf('gather', spec),
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
  let tiles = select(0u, ${tiles}u, groups.x > 0u);
  for (var tile = 0u; tile < tiles; tile++) {
    let box = boxes[sample * ${tiles}u + tile];
    // A pixel is a tap of those whose first tap is itself, or one less in x, y or both.
    if (any(me < box.xy) || any(me > box.zw + 1)) { continue; }
    ${tileLoop(
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
