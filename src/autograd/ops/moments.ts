import {
  type MomentMap,
  momentMapForward,
  momentMapGradient,
  pairProducts,
  pairProductsGradient,
} from '../../../kernels/moments.ts';
import { ShapeError } from '../../errors.ts';
import { attach } from '../tape.ts';
import { emptyLike, emptyTensor, formatShape, runKernel, type Tensor } from '../tensor.ts';
import { requireFinite, requireImage, requireSameShape } from './check.ts';

/**
 * The five images (a, b, a², b², ab) whose window averages are the moments of a pair.
 * @param a, b `[N,1,H,W]`
 * @returns `[N,5,H,W]`
 * @throws ShapeError unless both are grey images of one shape
 */
export function productsOfPair(a: Tensor, b: Tensor): Tensor {
  requireSameShape('productsOfPair', a, b);
  const { batch, channels, height, width } = requireImage('productsOfPair', a);
  if (channels !== 1) {
    throw new ShapeError(`productsOfPair: expected one channel, found ${formatShape(a.shape)}`);
  }
  const pixels = height * width;
  const stack = emptyTensor(a.gpu, [batch, 5, height, width]);
  runKernel(pairProducts(batch, pixels), [a, b, stack]);
  const gradient = (image: 'first' | 'second', own: Tensor, other: Tensor, dy: Tensor): Tensor => {
    const result = emptyLike(a);
    runKernel(pairProductsGradient(batch, pixels, image), [dy, own, other, result]);
    return result;
  };
  return attach(stack, 'products_of_pair', [a, b], (dy) => [
    () => gradient('first', a, b, dy),
    () => gradient('second', b, a, dy),
  ]);
}

/**
 * A similarity of two images at every window, from the window averages of `productsOfPair`; see
 * kernels/moments.ts for the formulas.
 * @param moments `[N,5,H,W]`
 * @returns `[N,1,H,W]`
 * @throws ShapeError unless there are five moments; UsageError if 32-bit floats cannot hold a number of the map
 */
export function momentMap(moments: Tensor, map: MomentMap): Tensor {
  const { batch, channels, height, width } = requireImage('momentMap', moments);
  if (channels !== 5) {
    throw new ShapeError(`momentMap: expected five channels, found ${formatShape(moments.shape)}`);
  }
  for (const [name, value] of Object.entries(map)) {
    if (typeof value === 'number') requireFinite('momentMap', name, value);
  }
  const pixels = height * width;
  const y = emptyTensor(moments.gpu, [batch, 1, height, width]);
  runKernel(momentMapForward(map, batch, pixels), [moments, y]);
  return attach(y, 'moment_map', [moments], (dy) => [
    () => {
      const gradient = emptyLike(moments);
      runKernel(momentMapGradient(map, batch, pixels), [moments, dy, gradient]);
      return gradient;
    },
  ]);
}
