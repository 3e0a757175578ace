import { type GridSampleOptions, gridSample } from '../ops/grid-sample.ts';
import type { RandomStream } from '../philox.ts';
import { gridSampleGradientReference, gridSampleReference } from '../reference/grid-sample.ts';
import type { Shape } from '../tensor.ts';
import { type HostArray, hostArray, opRow, randomArray, type Sample } from './row.ts';

/** Positions from 2 pixels outside one border to 2 outside the other, clear of pixel centres. */
export function randomGrid(
  random: RandomStream,
  shape: Shape,
  [, , height, width]: Shape,
  alignCorners: boolean,
): HostArray {
  const grid = hostArray(shape);
  grid.data.forEach((_, i) => {
    const size = i % 2 === 0 ? width : height;
    const pixel = random.integer(size + 3) - 2 + 0.1 + 0.8 * random.uniform();
    grid.data[i] = Math.fround(
      alignCorners ? (2 * pixel) / Math.max(size - 1, 1) - 1 : (2 * pixel + 1) / size - 1,
    );
  });
  return grid;
}

/** A smooth displacement of a few pixels, as a registration network makes. */
function smoothGrid([batch, , height, width]: Shape): HostArray {
  const grid = hostArray([batch, height, width, 2]);
  grid.data.forEach((_, i) => {
    const column = Math.floor(i / 2) % width;
    const row = Math.floor(i / 2 / width) % height;
    const shift = 3.3 * Math.sin(row / 7.1) * Math.cos(column / 5.3) + 0.37;
    const pixel = i % 2 === 0 ? column + shift : row - shift;
    grid.data[i] = Math.fround((2 * pixel + 1) / (i % 2 === 0 ? width : height) - 1);
  });
  return grid;
}

function samples(random: RandomStream): Sample<GridSampleOptions>[] {
  const shapes: [Shape, Shape][] = [
    [
      [2, 3, 5, 7],
      [2, 4, 6, 2],
    ],
    [
      [1, 1, 9, 8],
      [1, 9, 8, 2],
    ],
    [
      [1, 6, 6, 5],
      [1, 11, 3, 2],
    ],
    [
      [1, 2, 1, 6],
      [1, 3, 3, 2],
    ],
    [
      [1, 1, 1, 1],
      [1, 1, 2, 2],
    ],
  ];
  const made: Sample<GridSampleOptions>[] = [];
  for (const paddingMode of ['border', 'zeros'] as const) {
    for (const alignCorners of [true, false]) {
      for (const [image, grid] of paddingMode === 'border' ? shapes.slice(0, 4) : shapes.slice(3)) {
        made.push({
          label: `[${image}] at [${grid}] ${paddingMode} ${alignCorners ? 'corners' : 'centres'}`,
          inputs: [randomArray(random, image), randomGrid(random, grid, image, alignCorners)],
          attributes: { alignCorners, paddingMode },
          reduction: { forward: 4, backward: 8 },
        });
      }
    }
  }
  made.push({
    label: 'smooth displacement of 37x41',
    inputs: [randomArray(random, [2, 1, 37, 41]), smoothGrid([2, 1, 37, 41])],
    attributes: { alignCorners: false, paddingMode: 'border' },
    // A grid coordinate's gradient is in pixels' slopes times 20 pixels a unit; positions of 40 pixels
    // rounded to f32 leave it with an absolute error that much larger.
    reduction: { forward: 4, backward: 400 },
    skipGradcheck: true,
  });
  return made;
}

export const GRID_SAMPLE = opRow<GridSampleOptions>({
  name: 'grid_sample',
  formula: 'y[n,c,o] = bilinear(x[n,c], grid[n,o])',
  samples,
  run: ([x, grid], options) => gridSample(x, grid, options),
  forward: ([x, grid], options) => gridSampleReference(x, grid, options),
  backward: ([x, grid], options, dy) => gridSampleGradientReference(x, grid, options, dy),
  // Positions are rounded to f32, at up to 40 pixels and slopes of a few units.
  halves: [0],
  tolerance: { forward: { atol: 1e-5, rtol: 1e-5 }, backward: { atol: 4e-5, rtol: 2e-5 } },
});
