import { type DropoutKey, dropout } from '../ops/dropout.ts';
import { dropoutReference } from '../reference/dropout.ts';
import { opRow, randomArray } from './row.ts';

interface Attributes {
  readonly probability: number;
  readonly key: DropoutKey;
}

export const DROPOUT = opRow<Attributes>({
  name: 'dropout',
  formula: 'y = kept ? x/(1-p) : 0',
  samples: (random) =>
    [
      { shape: [2, 3, 5, 7], probability: 0.5, key: { seed: 1, step: 0, site: 0 } },
      { shape: [1], probability: 0.1, key: { seed: 2 ** 40 + 3, step: 12, site: 4 } },
      { shape: [3, 8, 8, 8], probability: 0.9, key: { seed: 5, step: 2 ** 32 - 1, site: 7 } },
      { shape: [2, 3], probability: 1, key: { seed: 5, step: 1, site: 7 } },
    ].map(({ shape, ...attributes }) => ({
      label: `[${shape}] p ${attributes.probability}`,
      inputs: [randomArray(random, shape)],
      attributes,
    })),
  run: ([x], { probability, key }) => dropout(x, probability, key),
  forward: ([x], { probability, key }) => dropoutReference(x, probability, key),
  // The mask does not depend on x, so dropout is linear.
  backward: (_inputs, { probability, key }, dy) => [dropoutReference(dy, probability, key)],
  halves: [0],
  tolerance: { forward: { atol: 0, rtol: 1e-6 }, backward: { atol: 0, rtol: 1e-6 } },
});
