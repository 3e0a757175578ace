/** Tiles of many sums whose rows are stored in rounds, by name, against the f64 reference. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { storeRows } from '../../kernels/conv2d/store-rows.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { openNodeGpu } from '../../src/node.ts';
import { errorsOf, type KernelCase, outcomes } from '../support/convolution-outcomes.ts';

const suite = createSuite('store rows');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

const POINT = { kernel: 1, stride: 1, padding: 0 };
const LEAKY = { kind: 'leaky_relu', slope: 0.2 } as const;

/** Rows that rounds of four, or of two, divide and that they do not; blocks whose last one is not full. */
const FORWARD: readonly KernelCase[] = [
  { kernel: 4, stride: 2, image: [2, 5, 13, 18], rows: 41, bias: true, activation: LEAKY },
  { kernel: 3, stride: 1, image: [1, 37, 6, 7], rows: 24, reflect: true },
  { ...POINT, image: [2, 100, 3, 5], rows: 50, bias: true, activation: LEAKY },
  { ...POINT, image: [1, 68, 1, 35], rows: 32, slice: { first: 1, channels: 34 } },
];

const DATA: readonly KernelCase[] = [
  { kernel: 4, stride: 2, image: [2, 19, 9, 11], rows: 7 },
  { kernel: 4, stride: 2, image: [1, 37, 8, 13], rows: 5, accumulate: true },
  { ...POINT, image: [2, 23, 3, 7], rows: 40, accumulate: true },
];

suite('forward passes and data gradients agree with the reference', async () => {
  const random = new RandomStream(29, 'store-rows');
  for (const [cases, pass] of [
    [FORWARD, 'forward'],
    [DATA, 'data-gradient'],
  ] as const) {
    for (const each of cases) {
      const [outcome] = await outcomes(gpu, each, random, 'direct', [pass]);
      const { largest } = errorsOf(outcome);
      assert.ok(largest < 4e-6, `${JSON.stringify(each)} ${pass}: error ${largest}`);
    }
  }
});

suite('only many sums that are stored one by one are', () => {
  const inRounds = (count: number, isWhole: boolean): boolean => {
    const sums = Array.from({ length: count }, (_, r) => [`sum${r}`]);
    const { start, rows } = storeRows(
      sums,
      (row) => row,
      isWhole,
      (vector) => `store(${vector});`,
    );
    assert.is(start.includes('array'), rows.includes('sums['), 'an array where it is indexed');
    return !rows.includes('sums[');
  };
  assert.ok(inRounds(20, false));
  assert.not(inRounds(19, false), 'few sums');
  assert.not(inRounds(32, true), 'whole vec4s');
});

suite.run();
