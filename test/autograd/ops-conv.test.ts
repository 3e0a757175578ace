import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { backward } from '../../src/autograd/backward.ts';
import { convTranspose2d } from '../../src/autograd/ops/conv-transpose2d.ts';
import { conv2d } from '../../src/autograd/ops/conv2d.ts';
import { Parameter } from '../../src/autograd/parameter.ts';
import { CONVOLUTION_OPS } from '../../src/autograd/registry/convolution.ts';
import { tensorFrom, zeros } from '../../src/autograd/tensor.ts';
import { openNodeGpu } from '../../src/node.ts';
import { testRows } from './check-rows.ts';

const suite = createSuite('convolution');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

testRows(suite, gpu, CONVOLUTION_OPS);

suite('weight and bias gradients add up in parameters', async () => {
  const ramp = (length: number): Float32Array =>
    Float32Array.from({ length }, (_, i) => ((i * 7) % 11) - 5);
  const gradients = async (times: number): Promise<Float32Array[]> => {
    const parameter = (shape: number[], length: number): Parameter =>
      new Parameter(gpu, shape, gpu.upload(ramp(length)), gpu.allocate(length * 4), 'p');
    const weight = parameter([5, 3, 3, 3], 135);
    const bias = parameter([5], 5);
    const x = tensorFrom(gpu, ramp(2 * 3 * 7 * 6), [2, 3, 7, 6]);
    const seed = tensorFrom(gpu, ramp(2 * 5 * 7 * 6), [2, 5, 7, 6]);
    for (let i = 0; i < times; i++) {
      backward(conv2d(x, weight, bias, { padding: 1 }), [weight, bias], seed);
    }
    return [await weight.gradient.tensor.read(), await bias.gradient.tensor.read()];
  };
  const once = await gradients(1);
  const thrice = await gradients(3);
  once.forEach((array, which) => {
    array.forEach((value, i) => {
      assert.is(thrice[which][i], 3 * value);
    });
  });
  assert.ok(once[0].some((value) => value !== 0));
});

suite('NaN reaches what depends on it, and nothing else', async () => {
  const data = new Float32Array(36).fill(1);
  data[0] = Number.NaN;
  const x = tensorFrom(gpu, data, [1, 1, 6, 6]);
  const weight = tensorFrom(gpu, new Float32Array(18).fill(1), [2, 1, 3, 3]);
  for (const kind of ['none', 'relu', 'tanh', 'sigmoid'] as const) {
    const y = await conv2d(x, weight, undefined, { padding: 1, activation: { kind } }).read();
    y.forEach((value, i) => {
      const near = i % 6 < 2 && Math.floor(i / 6) % 6 < 2;
      assert.is(Number.isNaN(value), near, `${kind} ${i}`);
    });
  }
});

suite('shapes that do not fit are refused', () => {
  const x = zeros(gpu, [1, 3, 4, 5]);
  const weight = zeros(gpu, [2, 3, 3, 3]);
  assert.throws(() => conv2d(x, zeros(gpu, [2, 4, 3, 3]), undefined), /\[O,3,KH,KW\].*\[2,4,3,3\]/);
  assert.throws(() => conv2d(x, weight, zeros(gpu, [3])), /bias \[2\], found \[3\]/);
  assert.throws(() => conv2d(x, zeros(gpu, [2, 3, 5, 3]), undefined), /does not fit/);
  assert.throws(
    () => conv2d(x, weight, undefined, { padding: 4, paddingMode: 'reflect' }),
    /reflect padding of 4/,
  );
  assert.throws(() => conv2d(x, weight, undefined, { stride: 0 }), /stride/);
  assert.throws(
    () => convTranspose2d(x, zeros(gpu, [2, 3, 3, 3]), undefined),
    /\[3,O,KH,KW\].*\[2,3,3,3\]/,
  );
  assert.throws(
    () => convTranspose2d(x, zeros(gpu, [3, 2, 3, 3]), undefined, { stride: 2, outputPadding: 2 }),
    /outputPadding/,
  );
});

suite.run();
