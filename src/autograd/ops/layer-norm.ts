import {
  layerNormBackward,
  layerNormForward,
  layerNormScaleGradient,
} from '../../../kernels/layer-norm.ts';
import { ShapeError } from '../../errors.ts';
import { attach } from '../tape.ts';
import { emptyLike, emptyTensor, formatShape, runKernel, sizeOf, type Tensor } from '../tensor.ts';
import { requireFinite } from './check.ts';

/**
 * γ[c]·(x - mean)/sqrt(variance + ε) + β[c], with mean and biased variance over the channels of every position:
 * `torch.nn.LayerNorm(C)` of tokens whose channels come first.
 * @param x `[N,C,…]`
 * @param scale γ `[C]`
 * @param shift β `[C]`
 * @throws ShapeError if shapes do not fit; UsageError if epsilon is not finite
 */
export function layerNorm(x: Tensor, scale: Tensor, shift: Tensor, epsilon = 1e-5): Tensor {
  requireFinite('layerNorm', 'epsilon', epsilon);
  const [batch, channels] = x.shape;
  const fits = [scale, shift].every(({ shape }) => shape.length === 1 && shape[0] === channels);
  if (x.shape.length < 2 || x.size === 0 || !fits) {
    throw new ShapeError(
      `layerNorm needs [N,C,…], [C] and [C], found ${[x, scale, shift].map(({ shape }) => formatShape(shape)).join(', ')}`,
    );
  }
  const spec = { batch, channels, positions: sizeOf(x.shape.slice(2)), epsilon };
  const y = emptyLike(x);
  const statistics = emptyTensor(x.gpu, [batch * spec.positions, 2]);
  runKernel(layerNormForward(spec), [x, scale, shift, y, statistics]);
  return attach(y, 'layer_norm', [x, scale, shift], (dy) => [
    () => {
      const dx = emptyLike(x);
      runKernel(layerNormBackward(spec), [dy, x, scale, statistics, dx]);
      return dx;
    },
    (target) => {
      const gradient = target?.tensor ?? emptyTensor(x.gpu, [channels]);
      const kernel = layerNormScaleGradient(spec, target?.filled ?? false, x.gpu.profile);
      runKernel(kernel, [dy, x, statistics, gradient]);
      return gradient;
    },
    (target, _gate, training) => training.biasGradient(dy, target),
  ]);
}
