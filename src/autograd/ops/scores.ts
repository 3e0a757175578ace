import {
  correlation,
  correlationGradient,
  decibels,
  decibelsGradient,
} from '../../../kernels/scores.ts';
import { attach } from '../tape.ts';
import { emptyLike, runKernel, type Tensor } from '../tensor.ts';
import { requireFinite, requireSameShape } from './check.ts';

/**
 * -10·log10(x), the peak signal-to-noise ratio in dB of a mean squared error x of images in [0,1];
 * `ceiling`, with gradient 0, where x is 0.
 * @throws UsageError if 32-bit floats cannot hold the ceiling
 */
export function negativeDecibels(x: Tensor, ceiling: number): Tensor {
  requireFinite('negativeDecibels', 'ceiling', ceiling);
  const y = emptyLike(x);
  runKernel(decibels(x.size, ceiling), [x, y]);
  return attach(y, 'negative_decibels', [x], (dy) => [
    () => {
      const dx = emptyLike(x);
      runKernel(decibelsGradient(x.size), [x, dy, dx]);
      return dx;
    },
  ]);
}

/**
 * xy/√(xx·yy), the correlation coefficient of centred sums; 0, with gradient 0, where xx or yy is 0.
 * @throws ShapeError unless all have one shape
 */
export function correlationOf(xy: Tensor, xx: Tensor, yy: Tensor): Tensor {
  requireSameShape('correlationOf', xy, xx);
  requireSameShape('correlationOf', xy, yy);
  const y = emptyLike(xy);
  runKernel(correlation(xy.size), [xy, xx, yy, y]);
  return attach(y, 'correlation', [xy, xx, yy], (dy) =>
    (['xy', 'xx', 'yy'] as const).map((of) => () => {
      const gradient = emptyLike(xy);
      runKernel(correlationGradient(xy.size, of), [xy, xx, yy, dy, gradient]);
      return gradient;
    }),
  );
}
