import { addBiasKernel } from '../../../kernels/add-bias.ts';
import { ShapeError } from '../../errors.ts';
import { attach } from '../tape.ts';
import { emptyLike, formatShape, runKernel, sizeOf, type Tensor } from '../tensor.ts';

/**
 * y[n,c,…] = x[n,c,…] + bias[c].
 * @throws ShapeError unless `bias` is `[C]` and x is `[N,C,…]`
 */
export function addBias(x: Tensor, bias: Tensor): Tensor {
  const [batch, channels] = x.shape;
  if (x.shape.length < 2 || bias.shape.length !== 1 || bias.shape[0] !== channels) {
    throw new ShapeError(
      `addBias needs [N,C,…] and [C], found ${formatShape(x.shape)} and ${formatShape(bias.shape)}`,
    );
  }
  const pixels = sizeOf(x.shape.slice(2));
  const y = emptyLike(x);
  runKernel(addBiasKernel(batch, channels, pixels), [x, bias, y]);
  return attach(y, 'add_bias', [x, bias], (dy) => [
    () => dy,
    (target, _gate, training) => training.biasGradient(dy, target),
  ]);
}
