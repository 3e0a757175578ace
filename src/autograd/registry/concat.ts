import { type Activation, NONE } from '../../../kernels/activation.ts';
import { concat } from '../ops/concat.ts';
import { sliceBatch, sliceChannels, sliceColumns, sliceRows } from '../ops/slice.ts';
import type { RandomStream } from '../philox.ts';
import { activationSlope, activationValue } from '../reference/activations.ts';
import { concatReference, sliceGradientReference, sliceReference } from '../reference/concat.ts';
import type { Shape, Tensor } from '../tensor.ts';
import { type AnyOpRow, hostArray, opRow, randomArray, type Sample } from './row.ts';

const EXACT = { forward: { atol: 0, rtol: 0 }, backward: { atol: 0, rtol: 0 } };

interface Join {
  readonly axis: number;
  readonly activation?: Activation;
}

/** Shapes to join, the axis, and what is applied. */
const JOINS: readonly (Join & { readonly shapes: readonly Shape[] })[] = [
  {
    axis: 1,
    activation: { kind: 'relu' },
    shapes: [
      [2, 4, 4, 4],
      [2, 3, 4, 4],
    ],
  },
  {
    axis: 1,
    activation: { kind: 'relu' },
    shapes: [
      [2, 2, 3, 5],
      [2, 3, 3, 5],
    ],
  },
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
      SLICES.filter(({ shape, start, count }) => start + count <= shape[axis]).map(
        ({ shape, start, count }) => ({
          label: `${count} from ${start} of [${shape}]`,
          inputs: [randomArray(random, shape)],
          attributes: { start, count },
        }),
      ),
    run: ([x], { start, count }) => run(x, start, count),
    forward: ([x], { start, count }) => sliceReference(x, axis, start, count),
    backward: ([x], { start }, dy) => [sliceGradientReference(x, axis, start, dy)],
    halves: [0],
    tolerance: EXACT,
  });
}

function joins(random: RandomStream): Sample<Join>[] {
  return JOINS.map(({ shapes, axis, activation }) => ({
    label: `${shapes.map((shape) => `[${shape}]`).join(' ')} along ${axis}, ${activation?.kind ?? 'none'}`,
    inputs: shapes.map((shape) => randomArray(random, shape)),
    attributes: activation ? { axis, activation } : { axis },
  }));
}

export const CONCAT_OPS: readonly AnyOpRow[] = [
  opRow<Join>({
    name: 'concat',
    formula: 'y = f([a, b, …]) along an axis',
    samples: joins,
    run: (inputs, { axis, activation }) => concat(inputs, axis, activation),
    forward: (inputs, { axis, activation = NONE }) => {
      const y = concatReference(inputs, axis);
      return hostArray(
        y.shape,
        y.data.map((value) => activationValue(activation, value)),
      );
    },
    backward: (inputs, { axis, activation = NONE }, dy) => {
      let start = 0;
      return inputs.map(({ shape, data }) => {
        start += shape[axis];
        const part = sliceReference(dy, axis, start - shape[axis], shape[axis]);
        return hostArray(
          shape,
          part.data.map((value, i) => value * activationSlope(activation, data[i])),
        );
      });
    },
    halves: [0, 1, 2],
    tolerance: EXACT,
  }),
  sliceRow('slice_batch', 'y[n] = x[start + n]', 0, sliceBatch),
  sliceRow('slice_channels', 'y[:,c] = x[:,start + c]', 1, sliceChannels),
  sliceRow('slice_rows', 'y[:,:,h] = x[:,:,start + h]', 2, sliceRows),
  sliceRow('slice_columns', 'y[:,:,:,w] = x[:,:,:,start + w]', 3, sliceColumns),
];
