import { dropoutKernel } from '../../../kernels/dropout.ts';
import { UsageError } from '../../errors.ts';
import { attach } from '../tape.ts';
import { emptyLike, runKernel, type Tensor } from '../tensor.ts';
import { type RandomKey, randomKeyWords, uploadRandomKey } from './random-key.ts';

/** What a dropout mask is a function of, besides the element. Equal keys give equal masks. */
export type DropoutKey = RandomKey;

/**
 * Sets elements to 0 with the given probability and multiplies the others by 1/(1-probability).
 * Words 4i … 4i+3 of the mask are Philox4x32-10 of the counter (i, site, step, 0) under the seed.
 * With probability 0 it returns `x` itself.
 * @throws UsageError if the probability is outside [0,1] or a part of the key is out of range
 */
export function dropout(x: Tensor, probability: number, key: DropoutKey): Tensor {
  if (!(probability >= 0 && probability <= 1)) {
    throw new UsageError(`dropout: probability must be in [0,1], found ${probability}`);
  }
  randomKeyWords('dropout', key);
  if (probability === 0) return x;
  const kernel = dropoutKernel(probability, x.size, x.gpu.profile);
  const words = uploadRandomKey(x.gpu, 'dropout', key);
  const mask = (input: Tensor): Tensor => {
    const output = emptyLike(x);
    runKernel(kernel, [input, words, output]);
    return output;
  };
  return attach(mask(x), 'dropout', [x], (dy) => [() => mask(dy)]);
}
