import type { LossTermName } from '../../../kernels/loss-terms.ts';
import { bceWithLogits, l1Loss, mseLoss, mseToScalar } from '../ops/losses.ts';
import { mean, meanOfParts, meanPerSample, sum } from '../ops/reduce.ts';
import { weightedSum } from '../ops/weighted-sum.ts';
import type { RandomStream } from '../philox.ts';
import { lossTerm } from '../reference/losses.ts';
import { type Shape, sizeOf, type Tensor } from '../tensor.ts';
import {
  type AnyOpRow,
  type HostArray,
  hostArray,
  opRow,
  randomArray,
  type Sample,
} from './row.ts';

interface Attributes {
  readonly target?: number;
}

/** Lengths around every boundary of the reduction tree. */
const SHAPES: readonly Shape[] = [
  [1],
  [3],
  [1, 1, 5, 5],
  [2, 1, 9, 7],
  [127],
  [129],
  [4, 1, 30, 30],
  [1037],
  [8 * 16 * 4 + 1],
  [3, 1, 97, 101],
];
/** Enough of them for a loss, which shares its tree with the sums. */
const LOSS_SHAPES: readonly Shape[] = [[1], [2, 1, 9, 7], [129], [3, 1, 97, 101]];
const LARGE: Shape = [2 ** 18 + 3];
/** Finite differences cost a whole forward each: only up to this many elements. */
const PROBED = 2000;
const TOLERANCE = { atol: 1e-6, rtol: 3e-6 };

/** Σ factor·term over rows, in double precision. */
function reduceReference(
  name: LossTermName,
  rows: number,
  factor: number,
  shape: Shape,
  a: HostArray,
  b: (i: number) => number,
): HostArray {
  const y = hostArray(shape);
  const length = a.data.length / rows;
  a.data.forEach((value, i) => {
    y.data[Math.floor(i / length)] += factor * lossTerm(name, value, b(i)).value;
  });
  return y;
}

function reductionRow(
  name: string,
  formula: string,
  run: (x: Tensor) => Tensor,
  kind: 'sum' | 'mean' | 'per_sample',
): AnyOpRow {
  const rowsOf = (x: HostArray) => (kind === 'per_sample' ? x.shape[0] : 1);
  const factorOf = (x: HostArray) => (kind === 'sum' ? 1 : rowsOf(x) / x.data.length);
  return opRow<undefined>({
    name,
    formula,
    samples: (random) => [
      ...SHAPES.map((shape) => reductionSample(random, shape)),
      {
        ...reductionSample(random, kind === 'per_sample' ? [3, 70001] : LARGE),
        skipGradcheck: true,
      },
    ],
    run: ([x]) => run(x),
    forward: ([x]) =>
      reduceReference(
        'identity',
        rowsOf(x),
        factorOf(x),
        kind === 'per_sample' ? [x.shape[0]] : [],
        x,
        () => 0,
      ),
    backward: ([x], _attributes, dy) => {
      const dx = hostArray(x.shape);
      const length = x.data.length / rowsOf(x);
      dx.data.forEach((_, i) => {
        dx.data[i] = factorOf(x) * dy.data[Math.floor(i / length)];
      });
      return [dx];
    },
    // The bound on a sum grows with the root of its length; a mean's does not have to.
    tolerance: {
      forward: kind === 'sum' ? { atol: 1e-6, rtol: 1e-5 } : TOLERANCE,
      backward: TOLERANCE,
    },
  });

  function reductionSample(random: RandomStream, shape: Shape): Sample<undefined> {
    const input = randomArray(random, shape);
    const reduction = kind === 'sum' ? { forward: input.data.length, backward: 1 } : undefined;
    const skipGradcheck = input.data.length > PROBED;
    return {
      label: `[${shape}]`,
      inputs: [input],
      attributes: undefined,
      reduction,
      skipGradcheck,
      // The mean of values around 0 is small beside them.
      cancels: 'output',
    };
  }
}

function lossRow(
  name: string,
  formula: string,
  term: LossTermName,
  run: (inputs: readonly Tensor[], target: number | undefined) => Tensor,
  /** What the second operand is. */
  second: 'array' | 'target' | 'element' | 'constant',
): AnyOpRow {
  const other =
    (inputs: readonly HostArray[], { target }: Attributes) =>
    (i: number) => {
      if (second === 'constant') return target ?? 0;
      return inputs[1].data[second === 'element' ? 0 : i];
    };
  const draw = (random: RandomStream, shape: Shape): HostArray[] => {
    const x = randomArray(random, shape, 2);
    if (second === 'array') return [x, randomArray(random, shape)];
    if (second === 'element') return [x, hostArray([], [Math.fround(0.9)])];
    if (second === 'constant') return [x];
    return [
      x,
      hostArray(
        shape,
        [...x.data].map(() => Math.fround(random.uniform())),
      ),
    ];
  };
  const sample = (random: RandomStream, shape: Shape, index: number): Sample<Attributes> => {
    const target = second === 'constant' ? [0, 0.9, 1][index % 3] : undefined;
    return {
      label: `[${shape}]${target === undefined ? '' : ` to ${target}`}`,
      inputs: draw(random, shape),
      attributes: { target },
      constant: second === 'array' ? [] : [1],
      skipGradcheck: sizeOf(shape) > PROBED,
    };
  };
  return opRow<Attributes>({
    name,
    formula,
    samples: (random) => [
      ...LOSS_SHAPES.map((shape, index) => sample(random, shape, index)),
      { ...sample(random, LARGE, 1), skipGradcheck: true },
    ],
    run: (inputs, { target }) => run(inputs, target),
    forward: (inputs, attributes) => {
      const [x] = inputs;
      return reduceReference(term, 1, 1 / x.data.length, [], x, other(inputs, attributes));
    },
    backward: (inputs, attributes, dy) => {
      const [x] = inputs;
      const b = other(inputs, attributes);
      const slope = (side: 'da' | 'db') =>
        hostArray(
          x.shape,
          [...x.data].map((a, i) => (lossTerm(term, a, b(i))[side] * dy.data[0]) / x.data.length),
        );
      return second === 'array' ? [slope('da'), slope('db')] : [slope('da'), undefined];
    },
    tolerance: { forward: TOLERANCE, backward: TOLERANCE },
  });
}

export const REDUCE_OPS: readonly AnyOpRow[] = [
  reductionRow('sum', 'y = Σ x', sum, 'sum'),
  reductionRow('mean', 'y = mean(x)', mean, 'mean'),
  reductionRow('mean_per_sample', 'y[n] = mean(x[n])', meanPerSample, 'per_sample'),
];

export const LOSS_OPS: readonly AnyOpRow[] = [
  lossRow('l1_loss', 'y = mean |a - b|', 'absolute_difference', ([a, b]) => l1Loss(a, b), 'array'),
  lossRow(
    'mse_loss',
    'y = mean (a - b)²',
    'squared_difference',
    ([a, b]) => mseLoss(a, b),
    'array',
  ),
  lossRow(
    'mse_to_scalar',
    'y = mean (x - t)², t on the device',
    'squared_difference',
    ([x, target]) => mseToScalar(x, target),
    'element',
  ),
  lossRow(
    'mse_to_constant',
    'y = mean (x - t)²',
    'squared_difference',
    ([x], target) => mseToScalar(x, target ?? 0),
    'constant',
  ),
  lossRow(
    'bce_with_logits',
    'y = mean -t·log σ(x) - (1-t)·log(1-σ(x))',
    'logistic',
    ([x, target]) => bceWithLogits(x, target),
    'target',
  ),
  lossRow(
    'bce_with_logits_to_constant',
    'y = mean -t·log σ(x) - (1-t)·log(1-σ(x))',
    'logistic',
    ([x], target) => bceWithLogits(x, target ?? 0),
    'constant',
  ),
];

export const WEIGHTED_SUM = opRow<{ weights: readonly number[] }>({
  name: 'weighted_sum',
  formula: 'y = Σ weight·scalar',
  samples: (random) =>
    [1, 4, 7, 8, 13, 14, 16].map((count) => ({
      label: `${count} scalars`,
      inputs: Array.from({ length: count }, () => randomArray(random, [])),
      attributes: { weights: Array.from({ length: count }, (_, k) => [1, 10, -0.3][k % 3]) },
    })),
  run: (inputs, { weights }) => weightedSum(inputs, weights),
  forward: (inputs, { weights }) =>
    hostArray([], [inputs.reduce((total, { data }, k) => total + weights[k] * data[0], 0)]),
  backward: (inputs, { weights }, dy) =>
    inputs.map((_, k) => hostArray([], [weights[k] * dy.data[0]])),
  tolerance: { forward: { atol: 1e-5, rtol: 1e-6 }, backward: TOLERANCE },
});

/** Several outputs, told apart by their weights. */
export const MEAN_OF_PARTS = opRow<{ parts: number }>({
  name: 'mean_of_parts',
  formula: 'y_k = mean of part k of a batch (here Σ (k+1)·y_k)',
  samples: (random) =>
    (
      [
        [[4], 2],
        [[6, 3], 3],
        [[5], 1],
        [[12, 1, 9, 7], 6],
      ] as const
    ).map(([shape, parts]) => ({
      label: `${parts} of ${shape.join('x')}`,
      inputs: [randomArray(random, shape)],
      attributes: { parts },
    })),
  run: ([x], { parts }) => {
    const means = meanOfParts(x, parts);
    return weightedSum(
      means,
      means.map((_, k) => k + 1),
    );
  },
  forward: ([x], { parts }) => {
    const length = x.data.length / parts;
    const weighted = x.data.map((value, i) => ((Math.floor(i / length) + 1) * value) / length);
    return hostArray([], [weighted.reduce((total, value) => total + value, 0)]);
  },
  backward: ([x], { parts }, dy) => {
    const length = x.data.length / parts;
    const slope = x.data.map((_, i) => ((Math.floor(i / length) + 1) * dy.data[0]) / length);
    return [hostArray(x.shape, slope)];
  },
  tolerance: { forward: { atol: 1e-6, rtol: 3e-6 }, backward: TOLERANCE },
});
