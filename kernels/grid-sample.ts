import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from './kernel.ts';
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
 * The gradient with respect to x is in `grid-sample-input-gradient.ts`.
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

/** Key of one of the kernels for `spec`. */
export function gridSampleKey(name: string, spec: GridSampleSpec): string {
  const { batch, channels, height, width, outputHeight, outputWidth } = spec;
  const corners = spec.alignCorners ? 'corners' : 'centres';
  return `grid-sample.${name}.${batch}x${channels}x${height}x${width}.${outputHeight}x${outputWidth}.${corners}.${spec.paddingMode}`;
}

/**
 * Declares `Taps` and `taps(g)`: the upper left of the four pixels, and the weight of the right and
 * the lower ones; `inside(pixel)`; and `isNan(g)`.
 */
export function tapsFunction(spec: GridSampleSpec): string {
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
    key: gridSampleKey('forward', spec),
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
    key: gridSampleKey('grid-gradient', spec),
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
