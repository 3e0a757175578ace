import { certaintyKernel, MOST_PIXELS } from '../../../kernels/certainty.ts';
import { ShapeError, UsageError } from '../../errors.ts';
import { emptyTensor, formatShape, runKernel, sizeOf, type Tensor } from '../tensor.ts';

/**
 * Equal weights, 1 in sum, for the pixels of each image whose variance is below a quantile of that image's
 * (`torch.quantile`, interpolated), and 0 for the others; all 0 where no pixel is below it. It has no gradient:
 * it is a choice. NaN in an image makes all of its weights NaN.
 * @param variance `[N,…]`, at least 0
 * @param quantile in [0,1]
 * @throws ShapeError if there are no pixels, or more than 2²⁴ an image
 */
export function certaintyWeights(variance: Tensor, quantile: number): Tensor {
  if (!(quantile >= 0 && quantile <= 1)) {
    throw new UsageError(`certaintyWeights: expected a quantile in [0,1], found ${quantile}`);
  }
  const pixels = sizeOf(variance.shape.slice(1));
  if (variance.shape.length < 2 || variance.size === 0 || pixels > MOST_PIXELS) {
    throw new ShapeError(
      `certaintyWeights needs images [N,…] of at most 2^24 pixels, found ${formatShape(variance.shape)}`,
    );
  }
  const weights = emptyTensor(variance.gpu, variance.shape);
  const kernel = certaintyKernel(variance.shape[0], pixels, quantile, variance.gpu.profile);
  runKernel(kernel, [variance, weights]);
  return weights;
}
