import { addNoiseKernel } from '../../../kernels/add-noise.ts';
import { UsageError } from '../../errors.ts';
import { attach } from '../tape.ts';
import { emptyLike, runKernel, type Tensor } from '../tensor.ts';
import { type RandomKey, uploadRandomKey } from './random-key.ts';

/**
 * x + N(0, deviation²), element by element: a pure function of the key (see kernels/add-noise.ts), so that a
 * resumed run draws what it would have drawn.
 * @throws UsageError if the deviation is no finite number from 0, or a part of the key is out of range
 */
export function addNoise(x: Tensor, deviation: number, key: RandomKey): Tensor {
  if (!(deviation >= 0 && Number.isFinite(Math.fround(deviation)))) {
    throw new UsageError(`addNoise: expected a finite deviation of at least 0, found ${deviation}`);
  }
  const words = uploadRandomKey(x.gpu, 'addNoise', key);
  const y = emptyLike(x);
  runKernel(addNoiseKernel(deviation, x.size), [x, words, y]);
  return attach(y, 'add_noise', [x], (dy) => [() => dy]);
}
