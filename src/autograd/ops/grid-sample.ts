import {
  type GridSampleSpec,
  gridSampleForward,
  gridSampleGridGradient,
} from '../../../kernels/grid-sample.ts';
import { gridSampleInputGradient } from '../../../kernels/grid-sample-input-gradient.ts';
import { ShapeError } from '../../errors.ts';
import { attach } from '../tape.ts';
import { emptyLike, formatShape, runKernel, runPlan, type Tensor } from '../tensor.ts';
import { requireImage } from './check.ts';

export interface GridSampleOptions {
  /** Whether -1 and 1 are the centres of the corner pixels (true) or their outer borders. */
  readonly alignCorners: boolean;
  /** What lies outside the image: its border pixels, or zeros. */
  readonly paddingMode: 'border' | 'zeros';
}

/**
 * Bilinear sampling of x `[N,C,H,W]` at grid `[N,OH,OW,2]` of (x, y) in [-1,1], giving `[N,C,OH,OW]`
 * (`torch.nn.functional.grid_sample`). Gradients flow to both; a coordinate clamped to the border has
 * gradient 0. A NaN coordinate gives NaN.
 * @throws ShapeError if the shapes do not fit
 */
export function gridSample(x: Tensor, grid: Tensor, options: GridSampleOptions): Tensor {
  const { batch, channels, height, width } = requireImage('gridSample', x);
  const [gridBatch, outputHeight, outputWidth, coordinates] = grid.shape;
  if (grid.shape.length !== 4 || grid.size === 0 || gridBatch !== batch || coordinates !== 2) {
    throw new ShapeError(
      `gridSample needs [N,C,H,W] and [N,OH,OW,2], found ${formatShape(x.shape)} and ${formatShape(grid.shape)}`,
    );
  }
  const spec: GridSampleSpec = {
    batch,
    channels,
    height,
    width,
    outputHeight,
    outputWidth,
    alignCorners: options.alignCorners,
    paddingMode: options.paddingMode,
  };
  const y = emptyLike(x, [batch, channels, outputHeight, outputWidth]);
  runKernel(gridSampleForward(spec), [x, grid, y]);
  return attach(y, 'grid_sample', [x, grid], (dy) => [
    () => {
      const dx = emptyLike(x);
      runPlan(gridSampleInputGradient(spec, x.gpu.profile), [grid, dy], [dx]);
      return dx;
    },
    () => {
      const dgrid = emptyLike(grid);
      runKernel(gridSampleGridGradient(spec), [x, grid, dy, dgrid]);
      return dgrid;
    },
  ]);
}
