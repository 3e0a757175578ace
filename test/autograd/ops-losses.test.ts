import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AdapterProfile } from '../../kernels/kernel.ts';
import { labelSmoothing } from '../../kernels/label-smoothing.ts';
import { reduceRows } from '../../kernels/reduce.ts';
import { backward } from '../../src/autograd/backward.ts';
import { leakyRelu } from '../../src/autograd/ops/activations.ts';
import { bceWithLogits, l1Loss, mseToScalar } from '../../src/autograd/ops/losses.ts';
import { mean, meanOfParts } from '../../src/autograd/ops/reduce.ts';
import { scale } from '../../src/autograd/ops/scale.ts';
import { weightedSum } from '../../src/autograd/ops/weighted-sum.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import {
  LOSS_OPS,
  MEAN_OF_PARTS,
  REDUCE_OPS,
  WEIGHTED_SUM,
} from '../../src/autograd/registry/losses.ts';
import { randomArray } from '../../src/autograd/registry/row.ts';
import {
  emptyTensor,
  runKernel,
  runPlan,
  type Tensor,
  tensorFrom,
  zeros,
} from '../../src/autograd/tensor.ts';
import { Gpu } from '../../src/gpu/gpu.ts';
import { openNodeGpu } from '../../src/node.ts';
import { testRows } from './check-rows.ts';

const suite = createSuite('reductions and losses');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

testRows(suite, gpu, [...REDUCE_OPS, ...LOSS_OPS, WEIGHTED_SUM, MEAN_OF_PARTS]);

suite('the variant for GPUs gives the same sums', async () => {
  const profile: AdapterProfile = { kind: 'gpu', subgroupSize: 0, f16: false };
  for (const [rows, length] of [
    [1, 1],
    [2, 1023],
    [3, 4096],
    [1, 300_001],
  ]) {
    const x = randomArray(new RandomStream(2, 'gpu'), [rows, length]);
    const input = tensorFrom(gpu, Float32Array.from(x.data), x.shape);
    const y = emptyTensor(gpu, [rows]);
    const term = { name: 'squared_difference', second: { constant: 0.5 } } as const;
    runPlan(reduceRows({ term, rows, length, factor: 1 / length }, profile), [input], [y]);
    const values = await y.read();
    for (let row = 0; row < rows; row++) {
      const expected =
        x.data
          .subarray(row * length, (row + 1) * length)
          .reduce((sum, value) => sum + (value - 0.5) ** 2, 0) / length;
      assert.ok(Math.abs(values[row] / expected - 1) < 1e-6, `${rows}x${length} row ${row}`);
    }
  }
});

suite('2²⁴ + 5 elements with a large mean are averaged to six digits', async () => {
  const length = 2 ** 24 + 5;
  const data = new Float32Array(length);
  let exact = 0;
  for (let i = 0; i < length; i++) {
    data[i] = 100 + ((i * 7919) % 1000) / 1000;
    exact += data[i];
  }
  const value = await gpu.scope(() => mean(tensorFrom(gpu, data, [length]))).read();
  assert.ok(Math.abs(value[0] / (exact / length) - 1) < 1e-6, `${value[0]} for ${exact / length}`);
});

suite('results repeat bit by bit', async () => {
  const x = randomArray(new RandomStream(3, 'repeat'), [100_003]);
  const run = async () =>
    (await gpu.scope(() => mean(tensorFrom(gpu, Float32Array.from(x.data), x.shape))).read())[0];
  const first = await run();
  for (let i = 0; i < 3; i++) assert.is(await run(), first);
});

suite('equal elements have no L1 gradient; NaN reaches the loss', async () => {
  const a = tensorFrom(gpu, [1, 2, 3], [3]);
  const b = tensorFrom(gpu, [1, 0, 5], [3]);
  a.requiresGrad = true;
  const da = gpu.scope(() => backward(l1Loss(a, b), [a])).get(a) as Tensor;
  assert.equal(
    [...(await da.read())].map((v) => Math.round(v * 3)),
    [0, 1, -1],
  );
  const bad = tensorFrom(gpu, [1, Number.NaN, 5], [3]);
  for (const loss of [
    () => l1Loss(bad, b),
    () => mseToScalar(bad, 1),
    () => bceWithLogits(bad, 0),
    () => mean(bad),
  ]) {
    assert.ok(Number.isNaN((await gpu.scope(loss).read())[0]));
  }
});

suite('cross-entropy stays finite at logits of ±100', async () => {
  const x = tensorFrom(gpu, [100, -100], [2]);
  x.requiresGrad = true;
  const { loss, found } = gpu.scope(() => {
    const y = bceWithLogits(x, 1);
    return { loss: y, found: backward(y, [x]) };
  });
  assert.is((await loss.read())[0], 50);
  const gradient = await (found.get(x) as Tensor).read();
  assert.ok(Math.abs(gradient[0]) < 1e-7 && Math.abs(gradient[1] + 0.5) < 1e-7);
});

suite('weights that f32 can hold are taken', async () => {
  // Printed by JavaScript, the first two are whole numbers beyond WGSL's.
  for (const weight of [-1e19, 9e20, 1e21, 3e38].map(Math.fround)) {
    const products = gpu.scope(() => {
      const x = tensorFrom(gpu, [-1], []);
      return [weightedSum([x], [weight]), scale(x, weight), leakyRelu(x, Math.abs(weight))];
    });
    const found = await Promise.all(products.map((product) => product.read()));
    assert.equal(
      found.map(([value]) => value),
      [-weight, -weight, -Math.abs(weight)],
    );
    for (const product of products) product.dispose();
  }
});

suite('the label is smoothed when one of both means reaches the limit', async () => {
  // One subgroup does not cover the 21 logits; in memory, 256 invocations more than do.
  const plain = new Gpu(gpu.device, { kind: 'gpu', subgroupSize: 0, f16: false });
  for (const device of [gpu, plain]) {
    for (const [reals, fakes, expected] of [
      [0.5, 0.5, 1],
      [0.95, 0, 0.9],
      [0, 0.95, 0.9],
      [0.85, 0.85, 1],
    ]) {
      const logits = (mean: number, count: number): Tensor =>
        tensorFrom(
          device,
          Float32Array.from({ length: count }, (_, i) => mean + i - (count - 1) / 2),
          [count],
        );
      const label = zeros(device, []);
      const kernel = labelSmoothing(0.9, 0.9, [21, 35], device.profile);
      runKernel(kernel, [logits(reals, 21), logits(fakes, 35), label]);
      assert.is((await label.read())[0], Math.fround(expected));
    }
  }
});

suite('terms of one weight share their gradient, and unit weights pass the cotangent on', () => {
  const terms = [1, 2, 3, 4, 5].map((value) => {
    const term = tensorFrom(gpu, [value], []);
    term.requiresGrad = true;
    return term;
  });
  const total = weightedSum(terms, [1, 10, 10, 1, 2]);
  const seed = tensorFrom(gpu, [3], []);
  const before = gpu.recorder.pendingCommands;
  const found = backward(total, terms, seed);
  assert.is(gpu.recorder.pendingCommands - before, 1);
  assert.is(found.get(terms[0]), seed);
  assert.is(found.get(terms[1]), found.get(terms[2]));
});

suite('a loss adds its gradient to what is there in the same dispatch', () => {
  const x = zeros(gpu, [8]);
  x.requiresGrad = true;
  const total = weightedSum([l1Loss(x, zeros(gpu, [8])), mseToScalar(x, 1)], [1, 1]);
  const seed = tensorFrom(gpu, [1], []);
  const before = gpu.recorder.pendingCommands;
  backward(total, [x], seed);
  assert.is(gpu.recorder.pendingCommands - before, 2);
});

suite('parts that do not exist are refused', () => {
  assert.throws(() => meanOfParts(zeros(gpu, [5, 2]), 2), /\[5,2\] does not fall into 2 parts/);
  assert.throws(() => meanOfParts(zeros(gpu, [7]), 7), /from 1 to 6/);
});

suite('wrong shapes are named', () => {
  const a = tensorFrom(gpu, [1, 2, 3], [3]);
  const b = tensorFrom(gpu, [1, 2], [2]);
  assert.throws(() => l1Loss(a, b), /\[3\] and \[2\]/);
  assert.throws(() => mseToScalar(a, b), /one element, found \[2\]/);
  assert.throws(() => weightedSum([a], [1]), /found \[3\]/);
  assert.throws(() => weightedSum([a], []), /1 scalars and 0 weights/);
});

suite.run();
