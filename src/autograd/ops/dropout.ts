import { dropoutKernel } from '../../../kernels/dropout.ts';
import { UsageError } from '../../errors.ts';
import { attach } from '../tape.ts';
import { emptyTensor, runKernel, type Tensor } from '../tensor.ts';

/** What a dropout mask is a function of, besides the element. Equal keys give equal masks. */
export interface DropoutKey {
  /** The run's seed, a whole number in [0, 2^53). */
  readonly seed: number;
  /** The training step, a whole number in [0, 2^32). */
  readonly step: number;
  /** Which of the step's dropouts this is, a whole number in [0, 2^32). */
  readonly site: number;
}

const LIMITS: readonly [keyof DropoutKey, number][] = [
  ['seed', 2 ** 53],
  ['step', 2 ** 32],
  ['site', 2 ** 32],
];

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
  for (const [name, limit] of LIMITS) {
    const value = key[name];
    if (!(Number.isInteger(value) && value >= 0 && value < limit)) {
      throw new UsageError(
        `dropout: ${name} must be a whole number in [0, ${limit}), found ${value}`,
      );
    }
  }
  if (probability === 0) return x;
  const kernel = dropoutKernel(probability, x.size);
  const words = x.gpu.upload(
    Uint32Array.of(key.seed >>> 0, Math.floor(key.seed / 2 ** 32), key.step, key.site),
  );
  const mask = (input: Tensor): Tensor => {
    const output = emptyTensor(x.gpu, x.shape);
    runKernel(kernel, [input, words, output]);
    return output;
  };
  return attach(mask(x), 'dropout', [x], (dy) => [() => mask(dy)]);
}
