import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { linearMain } from '../../kernels/linear.ts';
import { maxPool2dBackward, maxPool2dForward } from '../../kernels/max-pool2d.ts';
import { PHILOX } from '../../kernels/philox.ts';
import { backward } from '../../src/autograd/backward.ts';
import { channelAffine } from '../../src/autograd/ops/channel-affine.ts';
import { concat } from '../../src/autograd/ops/concat.ts';
import { dropout } from '../../src/autograd/ops/dropout.ts';
import { maxPool2d } from '../../src/autograd/ops/max-pool2d.ts';
import { sliceBatch } from '../../src/autograd/ops/slice.ts';
import { philox4x32, RandomStream } from '../../src/autograd/philox.ts';
import { CHANNEL_AFFINE } from '../../src/autograd/registry/channel-affine.ts';
import { CONCAT_OPS } from '../../src/autograd/registry/concat.ts';
import { DROPOUT } from '../../src/autograd/registry/dropout.ts';
import { MAX_POOL2D } from '../../src/autograd/registry/max-pool2d.ts';
import { type Tensor, tensorFrom, zeros } from '../../src/autograd/tensor.ts';
import { openNodeGpu } from '../../src/node.ts';
import { testRows } from './check-rows.ts';

const suite = createSuite('concat, dropout, max-pool, channel affine');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

testRows(suite, gpu, [...CONCAT_OPS, DROPOUT, MAX_POOL2D, CHANNEL_AFFINE]);

suite('philox in WGSL equals the host bit for bit', async () => {
  const count = 512;
  const random = new RandomStream(4, 'counters');
  const counters = Uint32Array.from({ length: count * 4 }, () => random.uint32());
  const keys = Uint32Array.from({ length: count * 2 }, () => random.uint32());
  counters.set([0, 0, 0, 0, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff]);
  keys.set([0, 0, 0xffffffff, 0xffffffff]);
  const result = gpu.allocate(count * 16);
  gpu.run(
    {
      key: 'test.philox',
      bindings: ['read', 'read', 'write'],
      workgroups: [count / 64, 1, 1],
      code: () => `
@group(0) @binding(0) var<storage, read> counters: array<vec4u>;
@group(0) @binding(1) var<storage, read> keys: array<vec2u>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4u>;
${PHILOX}
${linearMain(count)}
  result[index] = philox(counters[index], keys[index]);
}`,
    },
    [gpu.upload(counters), gpu.upload(keys), result],
  );
  const words = new Uint32Array(await gpu.read(result, count * 4));
  for (let i = 0; i < count; i++) {
    const [a, b, c, d] = counters.subarray(4 * i);
    const [k, l] = keys.subarray(2 * i);
    assert.equal([...words.subarray(4 * i, 4 * i + 4)], philox4x32([a, b, c, d], [k, l]));
  }
});

suite('dropout keeps the asked share, differs by step and site, and needs one pipeline', async () => {
  const size = 40_000;
  const x = tensorFrom(gpu, new Float32Array(size).fill(1), [size]);
  const masks: string[] = [];
  const before = gpu.pipelines.size;
  for (const key of [
    { seed: 1, step: 0, site: 0 },
    { seed: 2, step: 0, site: 0 },
    { seed: 1, step: 1, site: 0 },
    { seed: 1, step: 0, site: 1 },
    { seed: 1 + 2 ** 32, step: 0, site: 0 },
  ]) {
    const values = await gpu.scope(() => dropout(x, 0.3, key)).read();
    const kept = values.filter((value) => value !== 0);
    // Five standard errors of a share of 0.7.
    assert.ok(Math.abs(kept.length / size - 0.7) < 5 * Math.sqrt(0.21 / size));
    assert.ok(kept.every((value) => Math.abs(value - 1 / 0.7) < 1e-6));
    masks.push(values.subarray(0, 200).join());
  }
  assert.is(new Set(masks).size, masks.length);
  assert.is(gpu.pipelines.size, before + 1);
});

suite('dropout with probability 0 is the identity', () => {
  const x = zeros(gpu, [4]);
  assert.is(dropout(x, 0, { seed: 0, step: 0, site: 0 }), x);
});

suite('dropout rejects what is out of range by name', () => {
  const x = zeros(gpu, [4]);
  assert.throws(() => dropout(x, 1.5, { seed: 0, step: 0, site: 0 }), /probability.*found 1.5/);
  assert.throws(() => dropout(x, 0.5, { seed: -1, step: 0, site: 0 }), /seed.*found -1/);
  assert.throws(() => dropout(x, 0.5, { seed: 0, step: 0.5, site: 0 }), /step.*found 0.5/);
});

suite('max-pool: NaN and -∞ come through, ties go to the first', async () => {
  const { NaN: nan, NEGATIVE_INFINITY: low } = Number;
  const x = tensorFrom(gpu, [0, nan, 5, 1, low, low, low, low, 3, 3, 3, 3], [3, 1, 2, 2]);
  x.requiresGrad = true;
  const { y, found } = gpu.scope(() => {
    const pooled = maxPool2d(x, { kernel: 2, stride: 2 });
    return { y: pooled, found: backward(pooled, [x], tensorFrom(gpu, [1, 1, 1], [3, 1, 1, 1])) };
  });
  assert.equal([...(await y.read())], [nan, low, 3]);
  const dx = [...(await (found.get(x) as Tensor).read())];
  assert.equal(dx, [0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
});

suite('max-pool of windows that tile the image: NaN, -∞, ties, and gradients added to what is there', async () => {
  const { NaN: nan, NEGATIVE_INFINITY: low } = Number;
  const data = [...[0, nan, low, low, 3, 3, -1, -2], ...[5, nan, low, low, 3, 3, -4, -0.5]];
  const x = gpu.upload(Float32Array.from(data));
  const dy = gpu.upload(Float32Array.of(1, 2, 3, 4));
  const [y, dx] = [gpu.upload(new Float32Array(4)), gpu.upload(new Float32Array(16).fill(10))];
  const sizes = { planes: 1, height: 2, width: 8, outputHeight: 1, outputWidth: 4 };
  const spec = { ...sizes, kernel: 2, stride: 2, padding: 0 };
  gpu.run(maxPool2dForward(spec, gpu.profile), [x, y]);
  gpu.runPlan(maxPool2dBackward(spec, gpu.profile, true), [x, dy], [dx]);
  assert.equal([...new Float32Array(await gpu.read(y, 4))], [nan, low, 3, -0.5]);
  assert.equal(
    [...new Float32Array(await gpu.read(dx, 16))],
    [10, 10, 12, 10, 13, 10, 10, 10, 10, 11, 10, 10, 10, 10, 10, 14],
  );
  for (const storage of [x, dy, y, dx]) gpu.dispose(storage);
});

suite('two tensors are joined, and cut apart again, by one dispatch each', () => {
  const pair = [2, 3].map((channels) => {
    const x = zeros(gpu, [2, channels, 4, 4]);
    x.requiresGrad = true;
    return x;
  });
  const before = gpu.recorder.pendingCommands;
  const y = concat(pair, 1, { kind: 'relu' });
  assert.is(gpu.recorder.pendingCommands - before, 1);
  const seed = zeros(gpu, y.shape);
  const forward = gpu.recorder.pendingCommands;
  backward(y, pair, seed);
  assert.is(gpu.recorder.pendingCommands - forward, 1);
});

suite('wrong shapes are named', () => {
  const a = zeros(gpu, [1, 2, 3, 4]);
  const b = zeros(gpu, [1, 2, 4, 3]);
  assert.throws(() => concat([a, b], 1), /\[1,2,3,4\], \[1,2,4,3\]/);
  assert.throws(() => concat([], 1), /no tensors/);
  assert.throws(() => concat([a], 4), /axis 4/);
  assert.throws(() => sliceBatch(a, 0, 2), /2 from 0 does not fit .*\[1,2,3,4\]/);
  assert.throws(() => maxPool2d(a, { kernel: 5, stride: 1 }), /kernel 5/);
  assert.throws(() => maxPool2d(a, { kernel: 3, stride: 1, padding: 2 }), /padding 2/);
  assert.throws(() => channelAffine(a, [1, 2, 3], [0, 0, 0]), /3 scales and 3 shifts/);
});

suite.run();
