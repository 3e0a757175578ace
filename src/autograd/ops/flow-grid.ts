import { flowGridBackward, flowGridForward } from '../../../kernels/flow-grid.ts';
import { ShapeError } from '../../errors.ts';
import { attach } from '../tape.ts';
import { emptyLike, formatShape, runKernel, type Tensor } from '../tensor.ts';
import { requireImage } from './check.ts';

/**
 * Sampling positions for `gridSample` with aligned corners: each pixel's own place moved by `flow`.
 * @param flow `[N,2,H,W]` in pixels, channel 0 along rows (down), 1 along columns (right)
 * @returns `[N,H,W,2]` of (x, y) in [-1,1]
 * @throws ShapeError unless there are two channels of at least 2×2 pixels
 */
export function flowGrid(flow: Tensor): Tensor {
  const { batch, channels, height, width } = requireImage('flowGrid', flow);
  if (channels !== 2 || height < 2 || width < 2) {
    throw new ShapeError(`flowGrid needs [N,2,H,W] from 2x2, found ${formatShape(flow.shape)}`);
  }
  const grid = emptyLike(flow, [batch, height, width, 2]);
  runKernel(flowGridForward(batch, height, width), [flow, grid]);
  return attach(grid, 'flow_grid', [flow], (dy) => [
    () => {
      const gradient = emptyLike(flow);
      runKernel(flowGridBackward(batch, height, width), [dy, gradient]);
      return gradient;
    },
  ]);
}
