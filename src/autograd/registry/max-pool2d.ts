import { maxPool2d } from '../ops/max-pool2d.ts';
import { maxPoolGradientReference, maxPoolReference } from '../reference/max-pool2d.ts';
import type { Shape } from '../tensor.ts';
import { opRow, randomArray } from './row.ts';

interface Attributes {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly ceilMode: boolean;
  /** Expected height and width of the output, from PyTorch. */
  readonly output: readonly [number, number];
}

type Case = [
  shape: Shape,
  k: number,
  s: number,
  p: number,
  ceil: boolean,
  output: [number, number],
];

const CASES: readonly Case[] = [
  [[2, 3, 8, 10], 3, 2, 0, true, [4, 5]],
  [[1, 5, 7, 9], 3, 2, 0, true, [3, 4]],
  [[1, 2, 6, 4], 3, 2, 0, true, [3, 2]],
  [[1, 1, 3, 3], 3, 2, 0, true, [1, 1]],
  [[1, 1, 2, 2], 3, 2, 0, true, [1, 1]],
  [[1, 3, 1, 1], 1, 1, 0, false, [1, 1]],
  [[1, 5, 8, 11], 3, 2, 0, false, [3, 5]],
  [[2, 3, 9, 7], 3, 2, 1, false, [5, 4]],
  [[1, 2, 5, 5], 2, 3, 1, true, [2, 2]], // a third window would start beyond the image
  [[2, 3, 8, 6], 2, 2, 0, false, [4, 3]],
  [[1, 1, 6, 7], 4, 1, 2, false, [7, 8]],
  [[2, 3, 6, 16], 2, 2, 0, false, [3, 8]],
  [[1, 2, 6, 12], 3, 3, 0, false, [2, 4]],
];

function outputShape({ shape }: { readonly shape: Shape }, { output }: Attributes): Shape {
  return [shape[0], shape[1], ...output];
}

export const MAX_POOL2D = opRow<Attributes>({
  name: 'max_pool2d',
  formula: 'y = max of each window',
  samples: (random) =>
    CASES.map(([shape, kernel, stride, padding, ceilMode, output]) => ({
      label: `[${shape}] k${kernel} s${stride} p${padding} ${ceilMode ? 'ceil' : 'floor'}`,
      inputs: [randomArray(random, shape)],
      attributes: { kernel, stride, padding, ceilMode, output },
    })),
  run: ([x], attributes) => maxPool2d(x, attributes),
  forward: ([x], attributes) => maxPoolReference(x, attributes, outputShape(x, attributes)),
  backward: ([x], attributes, dy) => [maxPoolGradientReference(x, attributes, dy)],
  halves: [0],
  tolerance: { forward: { atol: 0, rtol: 0 }, backward: { atol: 1e-6, rtol: 1e-6 } },
});
