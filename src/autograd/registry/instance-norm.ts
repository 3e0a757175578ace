import { type Activation, NONE } from '../../../kernels/activation.ts';
import { instanceNorm } from '../ops/instance-norm.ts';
import type { RandomStream } from '../philox.ts';
import {
  instanceNormGradientReference,
  instanceNormReference,
} from '../reference/instance-norm.ts';
import type { Shape } from '../tensor.ts';
import { type HostArray, opRow, randomArray, type Sample } from './row.ts';

interface Attributes {
  readonly epsilon: number;
  readonly activation: Activation;
}

const LEAKY: Activation = { kind: 'leaky_relu', slope: 0.2 };

function shifted(array: HostArray, by: number): HostArray {
  for (let i = 0; i < array.data.length; i++) array.data[i] = Math.fround(array.data[i] + by);
  return array;
}

function samples(random: RandomStream): Sample<Attributes>[] {
  const sample = (
    label: string,
    input: HostArray,
    activation: Activation = NONE,
    skipGradcheck = false,
  ): Sample<Attributes> => ({
    label: `${label} ${activation.kind}`,
    inputs: [input],
    attributes: { epsilon: 1e-5, activation },
    skipGradcheck,
  });
  const draw = (shape: Shape, scale = 1) => randomArray(random, shape, scale);
  const outlier = draw([1, 2, 40, 40]);
  outlier.data[0] = 1000; // The element that everything is taken relative to.
  const constant = draw([1, 2, 3, 4]);
  constant.data.fill(0.75, 0, 12);
  return [
    // Two pixels become -1 and 1 whatever they are: the gradient all but vanishes.
    { ...sample('1x2 planes', draw([2, 2, 1, 2])), cancels: 'gradients' },
    sample('2x2 planes', draw([4, 512, 2, 2]), LEAKY),
    sample('3x3 planes', draw([3, 5, 3, 3]), LEAKY),
    sample('7x9 planes', draw([1, 3, 7, 9], 3)),
    sample('8x8 planes', draw([2, 3, 8, 8]), { kind: 'relu' }),
    sample('9x9 planes', draw([2, 3, 9, 9]), { kind: 'relu' }),
    sample('10x7 planes', draw([1, 2, 10, 7]), { kind: 'tanh' }),
    sample('16x16 planes', draw([2, 3, 16, 16]), LEAKY),
    sample('17x19 planes', draw([2, 2, 17, 19]), { kind: 'sigmoid' }),
    sample('67x65 planes', draw([1, 2, 67, 65]), NONE, true),
    sample('256x256 planes', draw([1, 2, 256, 256]), LEAKY, true),
    sample('outlier first', outlier, NONE, true),
    sample('mean 1000', shifted(draw([1, 2, 12, 12]), 1000), NONE, true),
    sample('mean 1000, large', shifted(draw([1, 2, 128, 128]), 1000), { kind: 'relu' }, true),
    sample('a constant plane', constant, NONE, true),
  ];
}

export const INSTANCE_NORM = opRow<Attributes>({
  name: 'instance_norm',
  formula: 'y = f((x - mean)/sqrt(variance + ε)) per plane',
  samples,
  run: ([x], attributes) => instanceNorm(x, attributes),
  forward: ([x], attributes) => instanceNormReference(x, attributes),
  backward: ([x], attributes, dy) => [instanceNormGradientReference(x, attributes, dy)],
  halves: [0],
  tolerance: { forward: { atol: 5e-6, rtol: 5e-6 }, backward: { atol: 1e-5, rtol: 1e-5 } },
});
