import type { GridSampleOptions } from '../ops/grid-sample.ts';
import { type HostArray, hostArray } from '../registry/row.ts';

/** Pixel position of a grid coordinate along one axis, and its derivative. */
function position(
  g: number,
  size: number,
  { alignCorners, paddingMode }: GridSampleOptions,
): { pixel: number; slope: number } {
  const pixel = alignCorners ? ((g + 1) / 2) * (size - 1) : ((g + 1) * size - 1) / 2;
  const slope = (alignCorners ? size - 1 : size) / 2;
  if (paddingMode === 'zeros') return { pixel, slope };
  if (pixel <= 0) return { pixel: 0, slope: 0 };
  if (pixel >= size - 1) return { pixel: size - 1, slope: 0 };
  return { pixel, slope };
}

/** Forward if `dy` is absent; with it, the gradients of x and grid. */
function walk(x: HostArray, grid: HostArray, options: GridSampleOptions, dy?: HostArray) {
  const [batch, channels, height, width] = x.shape;
  const [, rows, columns] = grid.shape;
  const y = hostArray([batch, channels, rows, columns]);
  const dx = hostArray(x.shape);
  const dgrid = hostArray(grid.shape);
  for (let point = 0; point < batch * rows * columns; point++) {
    const sample = Math.floor(point / (rows * columns));
    const horizontal = position(grid.data[2 * point], width, options);
    const vertical = position(grid.data[2 * point + 1], height, options);
    for (let c = 0; c < channels; c++) {
      const plane = sample * channels + c;
      const to = plane * rows * columns + (point % (rows * columns));
      // Every pixel of the image has the weight of a tent of width 2 around the position.
      const left = Math.floor(horizontal.pixel);
      const top = Math.floor(vertical.pixel);
      for (const iy of [top, top + 1]) {
        for (const ix of [left, left + 1]) {
          if (iy < 0 || ix < 0 || iy >= height || ix >= width) continue;
          const from = (plane * height + iy) * width + ix;
          const wx = 1 - Math.abs(horizontal.pixel - ix);
          const wy = 1 - Math.abs(vertical.pixel - iy);
          y.data[to] += wx * wy * x.data[from];
          if (!dy) continue;
          const g = dy.data[to];
          dx.data[from] += wx * wy * g;
          const directionX = ix === left ? -1 : 1;
          const directionY = iy === top ? -1 : 1;
          dgrid.data[2 * point] += g * x.data[from] * wy * directionX * horizontal.slope;
          dgrid.data[2 * point + 1] += g * x.data[from] * wx * directionY * vertical.slope;
        }
      }
    }
  }
  return { y, dx, dgrid };
}

export function gridSampleReference(
  x: HostArray,
  grid: HostArray,
  options: GridSampleOptions,
): HostArray {
  return walk(x, grid, options).y;
}

export function gridSampleGradientReference(
  x: HostArray,
  grid: HostArray,
  options: GridSampleOptions,
  dy: HostArray,
): [HostArray, HostArray] {
  const { dx, dgrid } = walk(x, grid, options, dy);
  return [dx, dgrid];
}
