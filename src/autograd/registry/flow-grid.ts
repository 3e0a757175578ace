import { flowGrid } from '../ops/flow-grid.ts';
import type { Shape } from '../tensor.ts';
import { hostArray, opRow, randomArray } from './row.ts';

/** Calls `visit` with the index of a pixel's row displacement, of its grid entry, and its place. */
function forEachPixel(
  [batch, , height, width]: Shape,
  visit: (flow: number, grid: number, row: number, column: number) => void,
): void {
  const pixels = height * width;
  for (let n = 0; n < batch; n++) {
    for (let p = 0; p < pixels; p++) {
      visit(n * 2 * pixels + p, 2 * (n * pixels + p), Math.floor(p / width), p % width);
    }
  }
}

export const FLOW_GRID = opRow<undefined>({
  name: 'flow_grid',
  formula: 'grid = (2·(column + flow₁)/(W-1) - 1, 2·(row + flow₀)/(H-1) - 1)',
  samples: (random) =>
    [
      [1, 2, 2, 2],
      [2, 2, 3, 5],
      [1, 2, 16, 16],
      [3, 2, 7, 4],
    ].map((shape) => ({
      label: `[${shape}]`,
      inputs: [randomArray(random, shape, 2)],
      attributes: undefined,
    })),
  run: ([flow]) => flowGrid(flow),
  forward: ([flow]) => {
    const [batch, , height, width] = flow.shape;
    const grid = hostArray([batch, height, width, 2]);
    forEachPixel(flow.shape, (from, to, row, column) => {
      grid.data[to] = (2 * (column + flow.data[from + height * width])) / (width - 1) - 1;
      grid.data[to + 1] = (2 * (row + flow.data[from])) / (height - 1) - 1;
    });
    return grid;
  },
  backward: ([flow], _attributes, dy) => {
    const [, , height, width] = flow.shape;
    const gradient = hostArray(flow.shape);
    forEachPixel(flow.shape, (to, from) => {
      gradient.data[to] = (2 * dy.data[from + 1]) / (height - 1);
      gradient.data[to + height * width] = (2 * dy.data[from]) / (width - 1);
    });
    return [gradient];
  },
  tolerance: { forward: { atol: 2e-6, rtol: 1e-6 }, backward: { atol: 1e-6, rtol: 1e-6 } },
});
