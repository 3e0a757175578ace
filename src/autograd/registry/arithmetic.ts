import { add, multiply, subtract } from '../ops/arithmetic.ts';
import { scale } from '../ops/scale.ts';
import type { RandomStream } from '../philox.ts';
import { map } from '../reference/arithmetic.ts';
import { type AnyOpRow, opRow, randomArray, type Sample } from './row.ts';

const SHAPES = [[], [3], [2, 3, 5, 7], [1, 4, 8, 8]];
const TOLERANCE = { atol: 1e-7, rtol: 1e-6 };

function pairs(random: RandomStream): Sample<undefined>[] {
  return SHAPES.map((shape) => ({
    label: `[${shape}]`,
    inputs: [randomArray(random, shape), randomArray(random, shape)],
    attributes: undefined,
  }));
}

export const ARITHMETIC_OPS: readonly AnyOpRow[] = [
  opRow<undefined>({
    name: 'add',
    formula: 'y = a + b',
    samples: pairs,
    run: ([a, b]) => add(a, b),
    forward: ([a, b]) => map((p, q) => p + q, a, b),
    backward: (_inputs, _attributes, dy) => [dy, dy],
    tolerance: { forward: TOLERANCE, backward: TOLERANCE },
    halves: [0, 1],
  }),
  opRow<undefined>({
    name: 'subtract',
    formula: 'y = a - b',
    samples: pairs,
    run: ([a, b]) => subtract(a, b),
    forward: ([a, b]) => map((p, q) => p - q, a, b),
    backward: (_inputs, _attributes, dy) => [dy, map((g) => -g, dy)],
    tolerance: { forward: TOLERANCE, backward: TOLERANCE },
    halves: [0, 1],
  }),
  opRow<undefined>({
    name: 'multiply',
    formula: 'y = a·b',
    samples: pairs,
    run: ([a, b]) => multiply(a, b),
    forward: ([a, b]) => map((p, q) => p * q, a, b),
    backward: ([a, b], _attributes, dy) => [
      map((g, q) => g * q, dy, b),
      map((g, p) => g * p, dy, a),
    ],
    tolerance: { forward: TOLERANCE, backward: TOLERANCE },
    halves: [0, 1],
  }),
  opRow<{ factor: number }>({
    name: 'scale',
    formula: 'y = factor·x',
    samples: (random) =>
      [0.1, -3, 0].map((factor) => ({
        label: `factor ${factor}`,
        inputs: [randomArray(random, [2, 3, 5, 3])],
        attributes: { factor },
      })),
    run: ([x], { factor }) => scale(x, factor),
    forward: ([x], { factor }) => map((value) => factor * value, x),
    backward: (_inputs, { factor }, dy) => [map((g) => factor * g, dy)],
    tolerance: { forward: TOLERANCE, backward: TOLERANCE },
    halves: [0],
  }),
];
