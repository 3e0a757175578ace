import { unitLengthBackward, unitLengthForward } from '../../../kernels/unit-length.ts';
import { ShapeError } from '../../errors.ts';
import { attach } from '../tape.ts';
import { emptyLike, formatShape, runKernel, sizeOf, type Tensor } from '../tensor.ts';
import { requireFinite } from './check.ts';

/**
 * x/(‖x‖ + ε) over the channels of every position. Where all channels are 0 the result is 0 and its gradient
 * dy/ε.
 * @param x `[N,C,…]`
 * @throws ShapeError for other shapes; UsageError if epsilon is not finite
 */
export function unitLength(x: Tensor, epsilon: number): Tensor {
  if (x.shape.length < 2 || x.size === 0) {
    throw new ShapeError(`unitLength needs [N,C,…], found ${formatShape(x.shape)}`);
  }
  requireFinite('unitLength', 'epsilon', epsilon);
  const [batch, channels] = x.shape;
  const spec = { batch, channels, positions: sizeOf(x.shape.slice(2)), epsilon };
  const y = emptyLike(x);
  runKernel(unitLengthForward(spec), [x, y]);
  return attach(y, 'unit_length', [x], (dy) => [
    () => {
      const dx = emptyLike(x);
      runKernel(unitLengthBackward(spec), [dy, x, dx]);
      return dx;
    },
  ]);
}
