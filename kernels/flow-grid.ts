import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from './kernel.ts';
import { linearMain, linearWorkgroups } from './linear.ts';

/*
 * Sampling positions from a displacement in pixels, with aligned corners:
 *
 *   flow: [N,2,H,W], channel 0 rows, 1 columns   grid: [N,H,W,2] of (x, y) in [-1,1]
 *   grid = (2·(column + flow₁)/(W-1) - 1, 2·(row + flow₀)/(H-1) - 1)
 *   backward:  dflow₀ = dgrid.y·2/(H-1)   dflow₁ = dgrid.x·2/(W-1)
 */

const SIZES = `
struct Sizes { count: u32, height: u32, width: u32 }
@group(0) @binding(2) var<storage, read> sizes: Sizes;`;

function kernelOf(
  name: string,
  [batch, height, width]: readonly [number, number, number],
  declarations: string,
  body: string,
): Kernel {
  const count = batch * height * width;
  return {
    key: `flow-grid.${name}`,
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(count),
    constants: [count, height, width],
    code: () => wgsl`
${declarations}
${SIZES}
${linearMain('sizes.count')}
  let pixels = sizes.height * sizes.width;
  let pixel = index % pixels;
  let first = (index / pixels) * 2u * pixels + pixel;
  let perPixel = 2.0 / (vec2f(f32(sizes.width), f32(sizes.height)) - 1.0);
${body}
}
`,
  };
}

/** Bindings flow, grid. */
export function flowGridForward(batch: number, height: number, width: number): Kernel {
  return kernelOf(
    'forward',
    [batch, height, width],
    `@group(0) @binding(0) var<storage, read> flow: array<f32>;
@group(0) @binding(1) var<storage, read_write> grid: array<vec2f>;`,
    `  let place = vec2f(f32(pixel % sizes.width), f32(pixel / sizes.width));
  grid[index] = (place + vec2f(flow[first + pixels], flow[first])) * perPixel - 1.0;`,
  );
}

/** Bindings dgrid, dflow. */
export function flowGridBackward(batch: number, height: number, width: number): Kernel {
  return kernelOf(
    'backward',
    [batch, height, width],
    `@group(0) @binding(0) var<storage, read> cotangent: array<vec2f>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;`,
    `  let g = cotangent[index] * perPixel;
  result[first] = g.y;
  result[first + pixels] = g.x;`,
  );
}
