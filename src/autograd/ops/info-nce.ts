import { infoNceBackward, infoNceForward } from '../../../kernels/info-nce.ts';
import { ShapeError } from '../../errors.ts';
import type { Regions } from '../regions.ts';
import { attach } from '../tape.ts';
import { emptyLike, emptyTensor, formatShape, runKernel, type Tensor } from '../tensor.ts';

/**
 * What each region adds to the mean InfoNCE: (log Σ_j e^(x[n,i,j]) - x[n,i,i])/(regions of all images), over the
 * regions j of image n; 0 for regions without pixels. The sum of all is the mean cross-entropy with the diagonal
 * as the right answer.
 * @param x similarities `[N,S,S]`, already divided by the temperature
 * @returns `[N,S]`
 * @throws ShapeError unless they fit the regions
 */
export function infoNce(x: Tensor, regions: Regions): Tensor {
  const { images, count } = regions;
  if (x.shape.join() !== [images, count, count].join()) {
    throw new ShapeError(
      `infoNce of ${count} regions in ${images} images needs [${images},${count},${count}], found ${formatShape(x.shape)}`,
    );
  }
  const { starts, share } = regions;
  const y = emptyTensor(x.gpu, [images, count]);
  const logarithms = emptyTensor(x.gpu, [images, count]);
  runKernel(infoNceForward(images, count, x.gpu.profile), [x, starts, share, y, logarithms]);
  return attach(y, 'info_nce', [x], (dy) => [
    () => {
      const dx = emptyLike(x);
      runKernel(infoNceBackward(images, count), [dy, x, logarithms, starts, share, dx]);
      return dx;
    },
  ]);
}
