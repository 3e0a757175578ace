import { regionMeanBackward, regionMeanForward } from '../../../kernels/region-mean.ts';
import { ShapeError } from '../../errors.ts';
import type { Regions } from '../regions.ts';
import { attach } from '../tape.ts';
import { emptyLike, emptyTensor, formatShape, runKernel, type Tensor } from '../tensor.ts';
import { requireImage } from './check.ts';

/**
 * Means of x over regions of its pixels; 0 for a region without any. They are f32, however x is stored.
 * @param x `[N,C,H,W]`
 * @returns `[N,C,1,S]`, S = `regions.count`
 * @throws ShapeError unless the regions are those of N images of H×W
 */
export function regionMean(x: Tensor, regions: Regions): Tensor {
  const { batch, channels, height, width } = requireImage('regionMean', x);
  const { images, count } = regions;
  if (images !== batch || regions.height !== height || regions.width !== width) {
    throw new ShapeError(
      `regionMean of ${formatShape(x.shape)} with regions of ${images} images of ${regions.height}x${regions.width}`,
    );
  }
  const spec = { batch, channels, pixels: height * width, regions: count };
  const y = emptyTensor(x.gpu, [batch, channels, 1, count]);
  runKernel(regionMeanForward(spec), [x, regions.order, regions.starts, y]);
  return attach(y, 'region_mean', [x], (dy) => [
    () => {
      const dx = emptyLike(x);
      runKernel(regionMeanBackward(spec), [dy, regions.labels, regions.starts, dx]);
      return dx;
    },
  ]);
}
