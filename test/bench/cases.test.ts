/** The benchmark's checks find what is wrong, and its cases cover what they say. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { allCases, filterCases } from '../../bench/cases/all-cases.ts';
import { convolutionFlops } from '../../bench/cases/convolution.ts';
import {
  checkDataGradient,
  checkForward,
  checkWeightGradient,
} from '../../bench/cases/convolution-check.ts';
import { Comparator, noise, spreadOut } from '../../bench/cases/kernel-case.ts';
import { NONE } from '../../kernels/activation.ts';
import type { ConvGeometry } from '../../kernels/conv2d/geometry.ts';
import {
  conv2dBackwardReference,
  conv2dForwardReference,
} from '../../src/autograd/reference/conv2d.ts';
import { hostArray } from '../../src/autograd/registry/row.ts';

const suite = createSuite('cases of the kernel benchmark');

suite('a comparison takes NaN, infinity and nothing at all for failures', () => {
  const compare = (found: number[], expected: number[]) => {
    const comparator = new Comparator();
    comparator.add(found, 0, expected);
    return comparator.result(1e-6).error;
  };
  assert.is(compare([1, 2], [1, 2]), 0);
  assert.ok(Math.abs(compare([1, 2.5], [1, 2]) - 0.5 / Math.sqrt(2.5)) < 1e-12);
  assert.is(compare([Number.NaN, 2], [1, 2]), Number.POSITIVE_INFINITY);
  assert.is(compare([2, Number.NaN], [1, 2]), Number.POSITIVE_INFINITY);
  assert.is(compare([1], [Number.POSITIVE_INFINITY]), Number.POSITIVE_INFINITY);
});

suite('a sample has both ends and no more than asked for', () => {
  assert.equal(spreadOut(3, 5), [0, 1, 2]);
  assert.equal(spreadOut(101, 3), [0, 50, 100]);
  assert.equal(spreadOut(9, 1), [8]);
});

suite('noise has unit variance and no repetition of seeds', () => {
  const data = noise(100_000, 1);
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
  const variance = data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length;
  assert.ok(Math.abs(mean) < 0.02, `mean ${mean}`);
  assert.ok(Math.abs(variance - 1) < 0.02, `variance ${variance}`);
  assert.not.equal(noise(8, 1), noise(8, 2));
});

for (const paddingMode of ['zeros', 'reflect'] as const) {
  suite(`slices of the reference agree with the whole, and an error is found (${paddingMode})`, () => {
    const g: ConvGeometry = {
      batch: 2,
      inChannels: 3,
      height: 7,
      width: 6,
      outChannels: 5,
      kernelHeight: 4,
      kernelWidth: 4,
      stride: 2,
      padding: 1,
      paddingMode,
    };
    const attributes = { stride: 2, padding: 1, paddingMode, outputPadding: 0, activation: NONE };
    const [x, w, dy] = [noise(252, 1), noise(240, 2), noise(90, 3)];
    const image = hostArray([2, 3, 7, 6], x);
    const weight = hostArray([5, 3, 4, 4], w);
    const y = conv2dForwardReference([image, weight], attributes);
    assert.equal(y.shape, [2, 5, 3, 3]);
    const [dx, dw] = conv2dBackwardReference(
      [image, weight],
      attributes,
      hostArray([2, 5, 3, 3], dy),
    );
    const checks = [
      { found: y.data, check: (data: Float32Array) => checkForward(g, x, w, data) },
      { found: dx.data, check: (data: Float32Array) => checkDataGradient(g, dy, w, data) },
      { found: dw.data, check: (data: Float32Array) => checkWeightGradient(g, x, dy, data) },
    ];
    for (const { found, check } of checks) {
      const data = Float32Array.from(found);
      const right = check(data);
      assert.is(right.compared, data.length);
      assert.ok(right.error <= 1e-6, String(right.error));
      data[0] += 0.01;
      const wrong = check(data);
      assert.ok(wrong.error > wrong.tolerance);
    }
  });
}

suite('multiply-adds count as two operations', () => {
  const g: ConvGeometry = {
    batch: 4,
    inChannels: 64,
    height: 128,
    width: 128,
    outChannels: 128,
    kernelHeight: 4,
    kernelWidth: 4,
    stride: 2,
    padding: 1,
    paddingMode: 'zeros',
  };
  assert.is(convolutionFlops(g), 2 * 4 * 128 * 64 * 64 * 64 * 16);
});

suite('names are unique, filters combine, every pass of a U-Net level is there', () => {
  const cases = allCases();
  assert.is(new Set(cases.map(({ name }) => name)).size, cases.length);
  const found = filterCases(cases, ['conv', 'unet.down2 ', 'b4']).map(({ name }) => name);
  assert.equal(found, [
    'conv forward unet.down2 b4',
    'conv data unet.down2 b4',
    'conv weight unet.down2 b4',
  ]);
  for (const { flops = 1, bytes } of cases) assert.ok(flops > 0 && bytes > 0);
});

suite.run();
