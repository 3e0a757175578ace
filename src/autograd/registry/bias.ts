import { addBias } from '../ops/bias.ts';
import { sizeOf } from '../tensor.ts';
import { type HostArray, hostArray, opRow, randomArray } from './row.ts';

/** Channel of element i of `[N,C,…]`. */
function channelOf({ shape }: HostArray, i: number): number {
  return Math.floor(i / sizeOf(shape.slice(2))) % shape[1];
}

export const ADD_BIAS = opRow<undefined>({
  name: 'add_bias',
  formula: 'y[n,c] = x[n,c] + bias[c]',
  samples: (random) =>
    [
      [2, 3, 5, 7],
      [2, 5, 4, 4],
      [3, 4, 1, 1],
      [2, 1, 33, 31],
      [4, 6],
    ].map((shape) => ({
      label: `[${shape}]`,
      inputs: [randomArray(random, shape), randomArray(random, [shape[1]])],
      attributes: undefined,
      reduction: { forward: 1, backward: sizeOf(shape) / shape[1] },
    })),
  run: ([x, bias]) => addBias(x, bias),
  forward: ([x, bias]) =>
    hostArray(
      x.shape,
      [...x.data].map((value, i) => value + bias.data[channelOf(x, i)]),
    ),
  backward: ([x, bias], _attributes, dy) => {
    const gradient = hostArray(bias.shape);
    dy.data.forEach((value, i) => {
      gradient.data[channelOf(x, i)] += value;
    });
    return [dy, gradient];
  },
  halves: [0],
  tolerance: { forward: { atol: 1e-6, rtol: 1e-6 }, backward: { atol: 1e-6, rtol: 1e-6 } },
});
