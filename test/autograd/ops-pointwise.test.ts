import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { backward } from '../../src/autograd/backward.ts';
import { leakyRelu, relu, sigmoid, tanh } from '../../src/autograd/ops/activations.ts';
import { add } from '../../src/autograd/ops/arithmetic.ts';
import { ACTIVATION_OPS } from '../../src/autograd/registry/activations.ts';
import { ARITHMETIC_OPS } from '../../src/autograd/registry/arithmetic.ts';
import { Tensor, tensorFrom } from '../../src/autograd/tensor.ts';
import { openNodeGpu } from '../../src/node.ts';
import { testRows } from './check-rows.ts';

const suite = createSuite('pointwise ops');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

testRows(suite, gpu, [...ACTIVATION_OPS, ...ARITHMETIC_OPS]);

suite('activations keep NaN, forwards and backwards, and are finite at the largest floats', async () => {
  const bits = Uint32Array.of(0x7fc00000, 0xffc00000, 0x7f800001, 0x7f7fffff, 0xff7fffff);
  for (const activation of [relu, (x: Tensor) => leakyRelu(x, 0.2), tanh, sigmoid]) {
    const x = new Tensor(gpu, [5], gpu.upload(bits));
    const y = activation(x);
    const values = await y.read();
    assert.equal([...values.subarray(0, 3)].map(Number.isNaN), [true, true, true]);
    assert.ok(Number.isFinite(values[3]) && Number.isFinite(values[4]));
    x.dispose();
    y.dispose();
  }
});

suite('rectifiers take the slope of the negative side at 0', async () => {
  for (const [activation, slope] of [
    [relu, 0],
    [(x: Tensor) => leakyRelu(x, 0.25), 0.25],
  ] as const) {
    const x = tensorFrom(gpu, [0, -0, 1, -1], [4]);
    x.requiresGrad = true;
    const dy = tensorFrom(gpu, [1, 1, 1, 1], [4]);
    const dx = gpu.scope(() => backward(activation(x), [x], dy)).get(x);
    assert.equal([...((await dx?.read()) ?? [])], [slope, slope, 1, slope]);
  }
});

suite('a rectifier passes no infinite cotangent where it is closed', async () => {
  const x = tensorFrom(gpu, [-1, 1], [2]);
  x.requiresGrad = true;
  const dy = tensorFrom(gpu, [Number.POSITIVE_INFINITY, 3], [2]);
  const dx = gpu.scope(() => backward(relu(x), [x], dy)).get(x);
  assert.equal([...((await dx?.read()) ?? [])], [0, 3]);
});

suite('wrong shapes and slopes are named', () => {
  const a = tensorFrom(gpu, [1, 2, 3], [3]);
  const b = tensorFrom(gpu, [1, 2, 3], [1, 3]);
  assert.throws(() => add(a, b), /\[3\] and \[1,3\]/);
  assert.throws(() => leakyRelu(a, -1), /found -1/);
});

suite.run();
