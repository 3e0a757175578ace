import { batchNorm } from '../ops/batch-norm.ts';
import type { RandomStream } from '../philox.ts';
import {
  type BatchNormAttributes,
  batchNormGradientReference,
  batchNormReference,
} from '../reference/batch-norm.ts';
import type { Shape } from '../tensor.ts';
import { hostArray, opRow, randomArray, type Sample } from './row.ts';

function samples(random: RandomStream): Sample<BatchNormAttributes>[] {
  const sample = (
    shape: Shape,
    training: boolean,
    mean = 0,
    skipGradcheck = false,
  ): Sample<BatchNormAttributes> => {
    const channels = [shape[1]];
    const x = randomArray(random, shape);
    for (let i = 0; i < x.data.length; i++) x.data[i] = Math.fround(x.data[i] + mean);
    const variance = hostArray(
      channels,
      Array.from({ length: shape[1] }, () => Math.fround(0.5 + random.uniform())),
    );
    return {
      label: `[${shape}] ${training ? 'training' : 'evaluation'}${mean ? ` mean ${mean}` : ''}`,
      inputs: [
        x,
        randomArray(random, channels),
        randomArray(random, channels),
        randomArray(random, channels),
        variance,
      ],
      attributes: { training, epsilon: 1e-5 },
      constant: [3, 4],
      reduction: { forward: 1, backward: (shape[0] * shape[2] * shape[3]) ** 0.5 },
      skipGradcheck,
    };
  };
  return [
    // Two values a channel: normalised to ±1 whatever they are, so the gradient is the rest of a cancellation.
    { ...sample([2, 3, 1, 1], true), cancels: 'gradients' },
    sample([1, 2, 2, 2], true),
    sample([2, 3, 5, 7], true),
    sample([3, 2, 8, 8], true),
    sample([1, 5, 9, 3], false),
    sample([2, 2, 4, 4], false),
    sample([4, 70, 16, 16], true, 0, true),
    sample([2, 3, 65, 67], true, 0, true),
    sample([2, 3, 64, 64], true, 1000, true),
    sample([2, 3, 33, 31], false, 0, true),
  ];
}

export const BATCH_NORM = opRow<BatchNormAttributes>({
  name: 'batch_norm',
  formula: 'y = γ·(x - mean)/sqrt(variance + ε) + β per channel, of the batch or running',
  samples,
  run: ([x, weight, bias, mean, variance], { training, epsilon }) =>
    batchNorm(x, weight, bias, { mean, variance }, { training, epsilon }),
  forward: batchNormReference,
  backward: (inputs, attributes, dy) => [
    ...batchNormGradientReference(inputs, attributes, dy),
    undefined,
    undefined,
  ],
  halves: [0],
  tolerance: { forward: { atol: 5e-6, rtol: 5e-6 }, backward: { atol: 1e-5, rtol: 1e-5 } },
});
