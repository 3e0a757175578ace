import type { Activation } from '../../../kernels/activation.ts';
import { leakyRelu, relu, sigmoid, tanh } from '../ops/activations.ts';
import type { RandomStream } from '../philox.ts';
import { activationSlope, activationValue } from '../reference/activations.ts';
import { map } from '../reference/arithmetic.ts';
import type { Tensor } from '../tensor.ts';
import { type AnyOpRow, type Cancelling, opRow, randomArray, type Sample } from './row.ts';

/** Odd sizes, a scalar, and values far into saturation (but none at a kink). */
function samples(random: RandomStream, cancels?: Cancelling): Sample<undefined>[] {
  const far = randomArray(random, [37]);
  for (const [index, value] of [30, -30, 95, -95, 1e-20, 1e6, -1e6].entries()) {
    far.data[index] = Math.fround(value);
  }
  const shapes = [[], [1], [3, 5], [2, 3, 5, 7], [2, 4, 8, 8]];
  return [
    ...shapes.map((shape) => ({
      label: `[${shape}]`,
      inputs: [randomArray(random, shape, 2)],
      attributes: undefined,
      cancels,
    })),
    { label: 'saturated', inputs: [far], attributes: undefined, skipGradcheck: true, cancels },
  ];
}

function row(
  activation: Activation,
  formula: string,
  run: (x: Tensor) => Tensor,
  tolerance: number,
): AnyOpRow {
  const isBounded = activation.kind === 'tanh' || activation.kind === 'sigmoid';
  return opRow<undefined>({
    name: activation.kind,
    formula,
    // 1 - y² and y·(1 - y) of a saturated y are as exact as y is beside 1.
    samples: (random) => samples(random, isBounded ? 'gradients' : undefined),
    run: ([x]) => run(x),
    forward: ([x]) => map((value) => activationValue(activation, value), x),
    backward: ([x], _attributes, cotangent) => [
      map((value, dy) => dy * activationSlope(activation, value), x, cotangent),
    ],
    halves: [0],
    tolerance: {
      forward: { atol: tolerance, rtol: tolerance },
      backward: { atol: 2 * tolerance, rtol: 2 * tolerance },
    },
  });
}

export const ACTIVATION_OPS: readonly AnyOpRow[] = [
  row({ kind: 'relu' }, 'y = max(x, 0)', relu, 0),
  row(
    { kind: 'leaky_relu', slope: 0.2 },
    'y = x > 0 ? x : slope·x',
    (x) => leakyRelu(x, 0.2),
    1e-7,
  ),
  row({ kind: 'tanh' }, 'y = tanh(x)', tanh, 1e-6),
  row({ kind: 'sigmoid' }, 'y = 1/(1 + e^-x)', sigmoid, 1e-6),
];
