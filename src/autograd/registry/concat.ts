import { concat } from '../ops/concat.ts';
import { sliceBatch, sliceChannels } from '../ops/slice.ts';
import type { RandomStream } from '../philox.ts';
import { concatReference, sliceGradientReference, sliceReference } from '../reference/concat.ts';
import type { Shape, Tensor } from '../tensor.ts';
import { type AnyOpRow, opRow, randomArray, type Sample } from './row.ts';

const EXACT = { forward: { atol: 0, rtol: 0 }, backward: { atol: 0, rtol: 0 } };

interface Axis {
  readonly axis: number;
}

/** Shapes to join and the axis. */
const JOINS: readonly { readonly shapes: readonly Shape[]; readonly axis: number }[] = [
  {
    axis: 1,
    shapes: [
      [2, 3, 4, 5],
      [2, 1, 4, 5],
    ],
  },
  {
    axis: 1,
    shapes: [
      [2, 4, 8, 8],
      [2, 8, 8, 8],
    ],
  },
  {
    axis: 1,
    shapes: [
      [3, 1, 3, 5],
      [3, 2, 3, 5],
      [3, 4, 3, 5],
    ],
  },
  {
    axis: 1,
    shapes: [
      [1, 3, 1, 1],
      [1, 2, 1, 1],
    ],
  },
  {
    axis: 0,
    shapes: [
      [1, 1, 3, 3],
      [2, 1, 3, 3],
    ],
  },
  { axis: 0, shapes: [[4, 2, 2, 2]] },
  {
    axis: 3,
    shapes: [
      [2, 2, 3, 4],
      [2, 2, 3, 3],
    ],
  },
];

interface Range {
  readonly start: number;
  readonly count: number;
}

const SLICES: readonly { readonly shape: Shape; readonly start: number; readonly count: number }[] =
  [
    { shape: [4, 4, 3, 5], start: 1, count: 2 },
    { shape: [4, 5, 4, 4], start: 0, count: 3 },
    { shape: [3, 3, 1, 1], start: 2, count: 1 },
    { shape: [2, 2, 7, 3], start: 0, count: 2 },
  ];

function sliceRow(
  name: string,
  formula: string,
  axis: number,
  run: (x: Tensor, start: number, count: number) => Tensor,
): AnyOpRow {
  return opRow<Range>({
    name,
    formula,
    samples: (random) =>
      SLICES.map(({ shape, start, count }) => ({
        label: `${count} from ${start} of [${shape}]`,
        inputs: [randomArray(random, shape)],
        attributes: { start, count },
      })),
    run: ([x], { start, count }) => run(x, start, count),
    forward: ([x], { start, count }) => sliceReference(x, axis, start, count),
    backward: ([x], { start }, dy) => [sliceGradientReference(x, axis, start, dy)],
    tolerance: EXACT,
  });
}

function joins(random: RandomStream): Sample<Axis>[] {
  return JOINS.map(({ shapes, axis }) => ({
    label: `${shapes.map((shape) => `[${shape}]`).join(' ')} along ${axis}`,
    inputs: shapes.map((shape) => randomArray(random, shape)),
    attributes: { axis },
  }));
}

export const CONCAT_OPS: readonly AnyOpRow[] = [
  opRow<Axis>({
    name: 'concat',
    formula: 'y = [a, b, …] along an axis',
    samples: joins,
    run: (inputs, { axis }) => concat(inputs, axis),
    forward: (inputs, { axis }) => concatReference(inputs, axis),
    backward: (inputs, { axis }, dy) => {
      let start = 0;
      return inputs.map(({ shape }) => {
        start += shape[axis];
        return sliceReference(dy, axis, start - shape[axis], shape[axis]);
      });
    },
    tolerance: EXACT,
  }),
  sliceRow('slice_batch', 'y[n] = x[start + n]', 0, sliceBatch),
  sliceRow('slice_channels', 'y[:,c] = x[:,start + c]', 1, sliceChannels),
];
