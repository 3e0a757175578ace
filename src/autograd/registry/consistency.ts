import { addNoise } from '../ops/add-noise.ts';
import { certaintyWeights } from '../ops/certainty.ts';
import type { RandomKey } from '../ops/random-key.ts';
import type { RandomStream } from '../philox.ts';
import { addNoiseReference, certaintyReference } from '../reference/consistency.ts';
import type { Shape } from '../tensor.ts';
import { type AnyOpRow, opRow, randomArray } from './row.ts';

interface Noise {
  readonly deviation: number;
  readonly key: RandomKey;
}

const NOISES: readonly (Noise & { readonly shape: Shape })[] = [
  { shape: [], deviation: 1, key: { seed: 0, step: 0, site: 0 } },
  { shape: [7], deviation: 0.05, key: { seed: 5, step: 3, site: 1 } },
  { shape: [2, 1, 9, 7], deviation: 0, key: { seed: 5, step: 3, site: 2 } },
  { shape: [4, 1, 24, 24], deviation: 1, key: { seed: 2 ** 40 + 3, step: 2 ** 31, site: 9 } },
];

/** Images of squared deviates, some of them equal to their neighbours. */
function variances(random: RandomStream, shape: Shape, ties: number) {
  const array = randomArray(random, shape);
  for (let i = 0; i < array.data.length; i++) {
    array.data[i] = Math.fround(array.data[i] ** 2);
    if (i % 10 < ties) array.data[i] = Math.fround(0.5);
  }
  return array;
}

const CHOICES: readonly { readonly shape: Shape; quantile: number; ties: number }[] = [
  { shape: [2, 1, 8, 8], quantile: 0.75, ties: 0 },
  { shape: [3, 1, 5, 7], quantile: 0.75, ties: 0 },
  { shape: [1, 1, 5, 5], quantile: 0.5, ties: 0 },
  { shape: [2, 1, 9, 9], quantile: 0.25, ties: 6 },
  { shape: [2, 1, 3, 3], quantile: 1, ties: 0 },
  { shape: [2, 1, 3, 3], quantile: 0, ties: 0 },
  { shape: [2, 10], quantile: 0.75, ties: 10 },
  { shape: [2, 1], quantile: 0.75, ties: 0 },
  { shape: [2, 1, 61, 67], quantile: 0.75, ties: 3 },
];

export const CONSISTENCY_OPS: readonly AnyOpRow[] = [
  opRow<Noise>({
    name: 'add_noise',
    formula: 'y = x + σ·Φ⁻¹(u), u by Philox of (seed, step, site, element)',
    samples: (random) =>
      NOISES.map(({ shape, deviation, key }) => ({
        label: `[${shape}] with ${deviation}`,
        inputs: [randomArray(random, shape)],
        attributes: { deviation, key },
      })),
    run: ([x], { deviation, key }) => addNoise(x, deviation, key),
    forward: ([x], { deviation, key }) => addNoiseReference(x, deviation, key),
    backward: (_inputs, _attributes, dy) => [dy],
    tolerance: { forward: { atol: 1e-6, rtol: 2e-6 }, backward: { atol: 0, rtol: 0 } },
  }),
  opRow<{ readonly quantile: number }>({
    name: 'certainty_weights',
    formula: 'y[n,p] = [v[n,p] < quantile of v[n]] / number of those; no gradient',
    samples: (random) =>
      CHOICES.map(({ shape, quantile, ties }) => ({
        label: `[${shape}] below the quantile ${quantile}, ${ties} of 10 equal`,
        inputs: [variances(random, shape, ties)],
        attributes: { quantile },
        constant: [0],
      })),
    run: ([variance], { quantile }) => certaintyWeights(variance, quantile),
    forward: ([variance], { quantile }) => certaintyReference(variance, quantile),
    backward: () => [undefined],
    tolerance: { forward: { atol: 0, rtol: 3e-7 }, backward: { atol: 0, rtol: 0 } },
  }),
];
