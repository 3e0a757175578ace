/** The reconstructed MSPGAN against PyTorch: its generator with all gradients, and ten steps with given superpixels. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { backward } from '../../src/autograd/backward.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { type Tensor, tensorFrom } from '../../src/autograd/tensor.ts';
import type { LabelSource } from '../../src/data/superpixels.ts';
import { ShapeError, UsageError } from '../../src/errors.ts';
import { MspganMethod, type MspganOptions } from '../../src/methods/mspgan.ts';
import { askTeacher, consistency, consistencyWeight } from '../../src/nn/mean-teacher.ts';
import { MspganGenerator } from '../../src/nn/mspgan-generator.ts';
import { attention } from '../../src/nn/transformer.ts';
import { openNodeGpu } from '../../src/node.ts';
import { follow, MethodFixtures } from '../support/method-trajectory.ts';
import { checkNetwork } from '../support/network-case.ts';

const suite = createSuite('MSPGAN against PyTorch');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());
const fixtures = new MethodFixtures('mspgan');
const random = () => new RandomStream(0, 'overwritten');

for (const entry of fixtures.networks) {
  suite(entry.name, () => {
    const { channels, ngf, blocks, layers, heads, positions, upsample } = entry.attributes;
    const network = new MspganGenerator(
      gpu,
      {
        inChannels: Number(channels),
        outChannels: Number(channels),
        ngf: Number(ngf),
        blocks: Number(blocks),
        layers: Number(layers),
        heads: Number(heads),
        positions: Number(positions),
        upsample: upsample === 'resize' ? 'resize' : 'transposed',
        initialiser: 'default',
      },
      random(),
    );
    return checkNetwork(gpu, network, entry, fixtures.tensors);
  });
}

const REGIONS = 9;

/** Hands out the fixture's label maps, image after image. */
function givenLabels(): LabelSource {
  const all = fixtures.tensors.floats('labels');
  let next = 0;
  return {
    capacity: () => REGIONS,
    labels: (image) => {
      const first = image.length * next++;
      return Uint16Array.from(all.subarray(first, first + image.length));
    },
  };
}

const SMALL: MspganOptions = {
  ngf: 2,
  ndf: 2,
  blocks: 1,
  layers: 2,
  heads: 2,
  positions: 4,
  upsample: 'transposed',
  smcWidth: 8,
  initialiser: 'default',
  superpixels: 16,
  lambdaSmc: 1,
  lambdaTsc: 10,
  rampSteps: 6,
  pairedL1: false,
  lambdaL1: 100,
  lambdaIdentity: 0,
  beta1: 0.5,
  beta2: 0.999,
  seed: 0,
  precision: 'f32',
};

for (const [name, pairedL1] of [
  ['mspgan', false],
  ['mspgan_paired', true],
] as const) {
  suite(`ten steps${pairedL1 ? ' with the paired and the identity term' : ''}`, async () => {
    const trajectory = fixtures.trajectory(name);
    const { options } = trajectory;
    assert.is(options.paired_l1, pairedL1);
    assert.is(trajectory.losses.length, 10);
    const method = new MspganMethod(
      gpu,
      {
        ...SMALL,
        pairedL1,
        ngf: Number(options.ngf),
        ndf: Number(options.ndf),
        blocks: Number(options.blocks),
        layers: Number(options.layers),
        heads: Number(options.heads),
        positions: Number(options.positions),
        smcWidth: Number(options.smc_width),
        rampSteps: Number(options.ramp_steps),
        lambdaIdentity: Number(options.lambda_identity ?? 0),
      },
      givenLabels(),
    );
    await follow(gpu, method, trajectory, fixtures.tensors);
    method.dispose();
  });
}

const image = (seed: number, ...shape: number[]): Tensor => {
  const stream = new RandomStream(seed, 'image');
  const size = shape.reduce((a, b) => a * b, 1);
  return tensorFrom(
    gpu,
    new Float32Array(size).map(() => Math.tanh(stream.normal())),
    shape,
  );
};

suite("the teacher begins as the generator; the superpixels are SLIC's; two runs are alike", async () => {
  const low = image(1, 2, 1, 32, 32);
  const hostLow = await low.read();
  const high = image(2, 2, 1, 32, 32);
  const losses: number[][] = [];
  for (const _run of [1, 2]) {
    const method = new MspganMethod(gpu, { ...SMALL, rampSteps: 0 });
    const [student, teacher] = ['G_H.', 'T_H.'].map((prefix) => method.networks.get(prefix));
    assert.equal(await teacher?.parameters.read(), await student?.parameters.read());
    const values: number[] = [];
    for (let step = 0; step < 2; step++) {
      const context = { step, learningRate: 1e-4, plannedSteps: 10 };
      const found = gpu.scope(() => method.trainStep({ low, high, hostLow }, context));
      assert.is(found.length, method.lossNames.length);
      for (const tensor of found) values.push((await tensor.read())[0]);
    }
    assert.not.equal(await teacher?.parameters.read(), await student?.parameters.read());
    losses.push(values);
    method.dispose();
  }
  assert.ok(losses[0].every(Number.isFinite), `${losses[0]}`);
  assert.equal(losses[1], losses[0]);
});

suite('a step without the images on the host, or a run of unknown length, is refused by name', async () => {
  const low = image(1, 1, 1, 32, 32);
  const hostLow = await low.read();
  const method = new MspganMethod(gpu, { ...SMALL, rampSteps: 0 });
  const step = (batch: { hostLow?: Float32Array }) =>
    gpu.scope(() =>
      method.trainStep({ low, high: low, ...batch }, { step: 0, learningRate: 1e-4 }),
    );
  for (const [batch, message] of [
    [{}, /on the host: .*\[1,1,32,32\] there, found none/],
    [{ hostLow: hostLow.subarray(1) }, /found 1023/],
    [{ hostLow }, /the run's length or rampSteps, found neither/],
  ] as const) {
    assert.throws(
      () => step(batch),
      (error: Error) => error instanceof UsageError && message.test(error.message),
    );
  }
  await gpu.flush();
  method.dispose();
});

suite('options and sizes that do not fit are named', () => {
  const build = (options: object) => () => new MspganMethod(gpu, { ...SMALL, ...options });
  assert.throws(build({ heads: 3 }), /3 attention heads do not divide 8 channels/);
  assert.throws(build({ layers: 0 }), /layers .*found 0/);
  const generator = new MspganGenerator(gpu, { ...SMALL, inChannels: 1, outChannels: 1 }, random());
  assert.throws(
    () => generator.forward(image(1, 1, 1, 20, 16)),
    (error: Error) =>
      error instanceof ShapeError && /multiples of 8, found \[1,1,20,16\]/.test(error.message),
  );
});

suite('attention in turns over images or heads is attention at once', async () => {
  const parts = [1, 2, 3].map((seed) => image(seed, 3, 8, 4, 5));
  for (const part of parts) part.requiresGrad = true;
  const dy = image(4, 3, 8, 4, 5);
  const run = async (mostBytes: number): Promise<number[]> => {
    const made = gpu.scope(() => {
      const [q, k, v] = parts;
      const y = attention(q, k, v, 4, mostBytes);
      const gradients = backward(y, parts, dy);
      return [y, ...parts.flatMap((part) => gradients.get(part) ?? [])];
    });
    assert.is(made.length, 4);
    const values: number[] = [];
    for (const tensor of made) values.push(...(await tensor.read()));
    return values;
  };
  const head = 20 * 20 * 4;
  const whole = await run(12 * head);
  for (const heads of [9, 8, 4, 3, 1]) {
    assert.equal(await run(heads * head), whole, `${heads} heads at once`);
  }
  assert.throws(() => attention(parts[0], parts[1], parts[2], 4, head - 1), /tiles/);
});

suite('a teacher that is sure of itself everywhere counts nowhere; else for its surest pixels', async () => {
  const x = image(5, 2, 1, 16, 16);
  const options = { passes: 4, noise: 0.05, kept: 0.75 };
  const sure = gpu.scope(() => askTeacher(() => x, x, options, { seed: 1, step: 2 }));
  assert.ok((await sure.weights.read()).every((weight) => weight === 0));
  const { label, weights } = gpu.scope(() =>
    askTeacher((y) => y, x, options, { seed: 1, step: 2 }),
  );
  const [values, means, input] = [await weights.read(), await label.read(), await x.read()];
  const kept = values.filter((weight) => weight > 0);
  assert.is(kept.length, 2 * 192);
  assert.ok(kept.every((weight) => Math.abs(weight * 192 - 1) < 1e-6));
  const spread = Math.sqrt(means.reduce((sum, mean, i) => sum + (mean - input[i]) ** 2, 0) / 512);
  assert.ok(Math.abs(spread / 0.025 - 1) < 0.15, `mean of four passes is off by ${spread}`);
  const [distance] = await gpu.scope(() => consistency(x, { label, weights })).read();
  const expected =
    input.reduce((sum, value, i) => sum + values[i] * Math.abs(value - means[i]), 0) / 2;
  assert.ok(Math.abs(distance / expected - 1) < 1e-5, `${distance}, expected ${expected}`);
});

suite('the consistency term comes in over its ramp', () => {
  assert.ok(Math.abs(consistencyWeight(10, 0, 100) - 10 * Math.exp(-5)) < 1e-12);
  assert.ok(Math.abs(consistencyWeight(10, 50, 100) - 10 * Math.exp(-1.25)) < 1e-12);
  assert.equal(
    [100, 1000].map((step) => consistencyWeight(10, step, 100)),
    [10, 10],
  );
});

suite.run();
