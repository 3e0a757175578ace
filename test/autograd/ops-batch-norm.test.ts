/** Batch norm against its f64 reference, and the running statistics it leaves behind. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { batchNormStatistics, batchNormSums } from '../../kernels/batch-norm.ts';
import type { AdapterProfile } from '../../kernels/kernel.ts';
import { batchNorm } from '../../src/autograd/ops/batch-norm.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { channelMoments } from '../../src/autograd/reference/batch-norm.ts';
import { BATCH_NORM } from '../../src/autograd/registry/batch-norm.ts';
import { randomArray } from '../../src/autograd/registry/row.ts';
import { emptyTensor, runKernel, tensorFrom, zeros } from '../../src/autograd/tensor.ts';
import { openNodeGpu } from '../../src/node.ts';
import { testRows } from './check-rows.ts';

const suite = createSuite('batch norm');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

testRows(suite, gpu, [BATCH_NORM]);

suite('running statistics follow the batch in training and stay in evaluation', async () => {
  const x = randomArray(new RandomStream(1, 'running'), [2, 3, 5, 4]);
  const input = tensorFrom(gpu, Float32Array.from(x.data), x.shape);
  const ones = tensorFrom(gpu, [1, 1, 1], [3]);
  const running = {
    mean: tensorFrom(gpu, [10, 20, 30], [3]),
    variance: tensorFrom(gpu, [1, 2, 3], [3]),
  };
  batchNorm(input, ones, zeros(gpu, [3]), running, { training: true });
  const trained = [await running.mean.read(), await running.variance.read()];
  for (let channel = 0; channel < 3; channel++) {
    const { mean, variance, count } = channelMoments(x, channel);
    const expectedMean = 0.9 * 10 * (channel + 1) + 0.1 * mean;
    const expectedVariance = 0.9 * (channel + 1) + (0.1 * variance * count) / (count - 1);
    assert.ok(Math.abs(trained[0][channel] - expectedMean) < 1e-5, `mean ${channel}`);
    assert.ok(Math.abs(trained[1][channel] - expectedVariance) < 1e-6, `variance ${channel}`);
  }
  batchNorm(input, ones, zeros(gpu, [3]), running, { training: false });
  assert.equal([await running.mean.read(), await running.variance.read()], trained);
});

suite('the variant for GPUs gives the same sums', async () => {
  const profile: AdapterProfile = { kind: 'gpu', subgroupSize: 0, f16: false };
  const shape = [3, 2, 13, 17];
  const x = randomArray(new RandomStream(2, 'gpu'), shape);
  const spec = { batch: 3, channels: 2, pixels: 13 * 17, epsilon: 1e-5, momentum: 0.1 };
  const input = tensorFrom(gpu, Float32Array.from(x.data), shape);
  const statistics = emptyTensor(gpu, [2, 4]);
  const running = [zeros(gpu, [2]), zeros(gpu, [2])];
  runKernel(batchNormStatistics(spec, profile), [input, statistics, ...running]);
  const [dScale, dShift] = [emptyTensor(gpu, [2]), emptyTensor(gpu, [2])];
  // With x as its own cotangent: dβ = Σ x and dγ = Σ x·(x - mean)/s = n·variance/s.
  runKernel(batchNormSums(spec, profile), [input, input, statistics, dScale, dShift]);
  const found = await statistics.read();
  const sums = [await dScale.read(), await dShift.read()];
  for (let channel = 0; channel < 2; channel++) {
    const { mean, variance, count } = channelMoments(x, channel);
    const inverse = 1 / Math.sqrt(variance + 1e-5);
    assert.ok(Math.abs(found[4 * channel] + found[4 * channel + 1] - mean) < 1e-6);
    assert.ok(Math.abs(found[4 * channel + 2] - inverse) < 1e-6);
    assert.ok(Math.abs(sums[0][channel] - count * variance * inverse) < 1e-3);
    assert.ok(Math.abs(sums[1][channel] - count * mean) < 1e-3);
  }
});

suite('a single value a channel, and statistics of another length, are refused', () => {
  const vector = (length: number) => zeros(gpu, [length]);
  const running = { mean: vector(2), variance: vector(2) };
  const x = zeros(gpu, [1, 2, 1, 1]);
  assert.throws(
    () => batchNorm(x, vector(2), vector(2), running, { training: true }),
    /more than one value a channel in training, found \[1,2,1,1\]/,
  );
  assert.throws(
    () => batchNorm(x, vector(3), vector(2), running, { training: false }),
    /needs tensors \[2\], found \[3\]/,
  );
});

suite.run();
