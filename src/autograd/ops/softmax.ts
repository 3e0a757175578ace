import { softmaxBackward, softmaxForward } from '../../../kernels/softmax.ts';
import { ShapeError } from '../../errors.ts';
import { attach } from '../tape.ts';
import { emptyLike, formatShape, runKernel, type Tensor } from '../tensor.ts';

/**
 * y = e^x / Σ e^x along the last axis (`torch.softmax(x, -1)`), finite for all finite x.
 * @throws ShapeError if x is a scalar or empty
 */
export function softmax(x: Tensor): Tensor {
  const length = x.shape.at(-1);
  if (!length || x.size === 0) {
    throw new ShapeError(
      `softmax needs rows of at least one element, found ${formatShape(x.shape)}`,
    );
  }
  const rows = x.size / length;
  const { profile } = x.gpu;
  const y = emptyLike(x);
  runKernel(softmaxForward(rows, length, profile, x.elementType), [x, y]);
  return attach(y, 'softmax', [x], (dy) => [
    () => {
      const dx = emptyLike(x);
      runKernel(softmaxBackward(rows, length, profile), [dy, y, dx]);
      return dx;
    },
  ]);
}
