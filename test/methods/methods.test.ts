/**
 * CycleGAN, stable CycleGAN, pix2pix and RegGAN against PyTorch: their networks with all gradients, and ten
 * steps.
 */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { RandomStream, streamId } from '../../src/autograd/philox.ts';
import { tensorFrom, zeros } from '../../src/autograd/tensor.ts';
import { CycleGanMethod } from '../../src/methods/cyclegan.ts';
import { Pix2PixMethod } from '../../src/methods/pix2pix.ts';
import { RegGanMethod } from '../../src/methods/reggan.ts';
import { StableCycleGanMethod } from '../../src/methods/stable-cyclegan.ts';
import { poolChoice } from '../../src/nn/image-pool.ts';
import { PatchGan } from '../../src/nn/patchgan-basic.ts';
import { RegistrationNet, smoothness, warp } from '../../src/nn/registration.ts';
import { ResNet } from '../../src/nn/resnet.ts';
import { UNet } from '../../src/nn/unet.ts';
import { openNodeGpu } from '../../src/node.ts';
import {
  follow,
  type MethodTrajectory,
  methodFixtures,
  methodTensors,
  trajectoryOf,
} from '../support/method-trajectory.ts';
import { checkNetwork, type Forwarding, type NetworkEntry } from '../support/network-case.ts';

const suite = createSuite('methods against PyTorch');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

const random = () => new RandomStream(0, 'overwritten');
const initialiser = 'default';

const BUILDERS: Readonly<Record<string, (entry: NetworkEntry['attributes']) => Forwarding>> = {
  ResNet: ({ channels, ngf, blocks }) => {
    const sides = { inChannels: Number(channels), outChannels: Number(channels) };
    return new ResNet(
      gpu,
      { ...sides, ngf: Number(ngf), blocks: Number(blocks), initialiser },
      random(),
    );
  },
  BasicPatchGAN: ({ channels, ndf, norm }) =>
    new PatchGan(
      gpu,
      {
        inChannels: Number(channels),
        ndf: Number(ndf),
        norm: norm === 'batch' ? 'batch' : 'instance',
        initialiser,
      },
      random(),
    ),
  RegistrationNet: ({ width, levels }) =>
    new RegistrationNet(gpu, { width: Number(width), levels: Number(levels) }, random()),
  BatchNormUNet: ({ channels, ngf, levels }) =>
    new UNet(
      gpu,
      {
        inChannels: Number(channels),
        outChannels: Number(channels),
        ngf: Number(ngf),
        levels: Number(levels),
        norm: 'batch',
        dropout: 0,
        dropoutSite: 'none',
        paddingMode: 'zeros',
        initialiser,
      },
      random(),
    ),
};

for (const entry of methodFixtures.networks) {
  suite(entry.name, () =>
    checkNetwork(gpu, BUILDERS[entry.network](entry.attributes), entry, methodTensors),
  );
}

const ADAM = {
  beta1: 0.5,
  beta2: 0.999,
  seed: 0,
  precision: 'f32',
  initialiser,
  upsample: 'transposed',
  lambdaIdentity: 0,
} as const;

/** Pools that are soon full must have returned earlier images, and new ones too. */
function assertExchanges({ options, losses, pool_swaps = {} }: MethodTrajectory): void {
  const poolSize = Number(options.pool_size);
  assert.equal(Object.keys(pool_swaps), ['H', 'L']);
  for (const [name, swaps] of Object.entries(pool_swaps)) {
    const choices = Array.from(
      { length: 2 * losses.length - poolSize },
      (_, i) => poolSize + i,
    ).map((image) =>
      poolChoice(0, streamId(`pool:${name}`), Math.floor(image / 2), image % 2, poolSize),
    );
    assert.is(swaps, choices.filter(({ swap }) => swap !== undefined).length);
    assert.ok(swaps > 0 && swaps < choices.length, `${name}: ${swaps} exchanged`);
  }
}

suite('CycleGAN: ten steps with a pool that is soon full', async () => {
  const trajectory = trajectoryOf('cyclegan');
  const { ngf, ndf, blocks, pool_size } = trajectory.options;
  const poolSize = Number(pool_size);
  const method = new CycleGanMethod(gpu, {
    ...ADAM,
    ngf: Number(ngf),
    ndf: Number(ndf),
    blocks: Number(blocks),
    ganMode: 'lsgan',
    poolSize,
    lambdaCycle: 10,
    lambdaIdentity: 5,
  });
  assertExchanges(trajectory);
  await follow(gpu, method, trajectory);
  method.dispose();
});

suite('stable CycleGAN: ten steps with two time scales, smoothing and spectral norm', async () => {
  const trajectory = trajectoryOf('stable-cyclegan');
  const { ngf, ndf, blocks, pool_size } = trajectory.options;
  const method = new StableCycleGanMethod(gpu, {
    ...ADAM,
    upsample: 'resize',
    ngf: Number(ngf),
    ndf: Number(ndf),
    blocks: Number(blocks),
    spectralLayers: 4,
    poolSize: Number(pool_size),
    realLabel: 0.9,
    learningRateRatio: 4,
    lambdaCycle: 10,
    lambdaIdentity: 5,
  });
  assertExchanges(trajectory);
  await follow(gpu, method, trajectory);
  method.dispose();
});

for (const [name, norm, ganMode] of [
  ['pix2pix', 'batch', 'vanilla'],
  ['pix2pix_instance_lsgan', 'instance', 'lsgan'],
] as const) {
  suite(`pix2pix, ${norm} norm, ${ganMode}: ten steps`, async () => {
    const trajectory = trajectoryOf(name);
    const { ngf, ndf, levels, identity = 0 } = trajectory.options;
    assert.equal([trajectory.options.norm, trajectory.options.gan_mode], [norm, ganMode]);
    const method = new Pix2PixMethod(gpu, {
      ...ADAM,
      ngf: Number(ngf),
      ndf: Number(ndf),
      levels: Number(levels),
      norm,
      ganMode,
      dropout: 0,
      dropoutSite: 'decoder',
      lambdaL1: 100,
      lambdaIdentity: Number(identity),
    });
    await follow(gpu, method, trajectory);
    method.dispose();
  });
}

for (const name of ['reggan', 'reggan_cycle']) {
  const trajectory = trajectoryOf(name);
  const { mode, ngf, ndf, blocks, nrf, levels, pool_size, identity } = trajectory.options;
  suite(`RegGAN ${mode}: ten steps`, async () => {
    assert.ok(mode === 'NC+R' || mode === 'C+R');
    const method = new RegGanMethod(gpu, {
      ...ADAM,
      mode: mode === 'C+R' ? 'C+R' : 'NC+R',
      ngf: Number(ngf),
      ndf: Number(ndf),
      blocks: Number(blocks),
      nrf: Number(nrf),
      registrationLevels: Number(levels),
      poolSize: Number(pool_size),
      lambdaCycle: 10,
      lambdaRegistration: 20,
      lambdaSmooth: 10,
      lambdaIdentity: Number(identity),
    });
    await follow(gpu, method, trajectory);
    method.dispose();
  });
}

suite('a new registration network hardly moves anything, and no movement is the identity', async () => {
  const network = new RegistrationNet(gpu, { width: 4, levels: 3 }, random());
  const image = Float32Array.from({ length: 2 * 32 * 32 }, (_, i) => Math.sin(i));
  const flow = network.forward(tensorFrom(gpu, image, [1, 2, 32, 32]));
  const values = await flow.read();
  assert.ok(
    values.some((value) => value !== 0) && values.every((value) => Math.abs(value) < 1e-2),
    `up to ${Math.max(...values.map(Math.abs))} pixels`,
  );
  const x = tensorFrom(gpu, image, [2, 1, 32, 32]);
  const same = await warp(x, zeros(gpu, [2, 2, 32, 32])).read();
  assert.ok(same.every((value, i) => Math.abs(value - image[i]) < 1e-5));
  const slope = Float32Array.from({ length: 2 * 32 * 32 }, (_, i) => (i % 32) * 0.5);
  const [uneven] = await smoothness(tensorFrom(gpu, slope, [1, 2, 32, 32])).read();
  assert.ok(Math.abs(uneven - 0.25) < 1e-6, `${uneven}`);
});

suite('RegGAN without registration: terms of its modes, finite and in order', async () => {
  for (const [mode, names] of [
    ['NC', ['G', 'G_adversarial_H', 'D', 'D_fake_H', 'D_real_H']],
    [
      'C',
      [
        ...['G', 'G_adversarial_H', 'G_adversarial_L', 'G_cycle_H', 'G_cycle_L'],
        ...['D', 'D_fake_H', 'D_real_H', 'D_fake_L', 'D_real_L'],
      ],
    ],
  ] as const) {
    const sizes = { ngf: 2, ndf: 2, blocks: 1, nrf: 2, registrationLevels: 3, poolSize: 3 };
    const lambdas = { lambdaCycle: 10, lambdaRegistration: 20, lambdaSmooth: 10 };
    const method = new RegGanMethod(gpu, { ...ADAM, mode, ...sizes, ...lambdas });
    assert.equal(method.lossNames, names);
    assert.not(method.networks.has('R.'));
    const image = Float32Array.from({ length: 32 * 32 }, (_, i) => Math.sin(i));
    const x = tensorFrom(gpu, image, [1, 1, 32, 32]);
    for (let step = 0; step < 2; step++) {
      const losses = gpu.scope(() =>
        method.trainStep({ low: x, high: x }, { step, learningRate: 1e-4 }),
      );
      assert.is(losses.length, names.length);
      const values: number[] = [];
      for (const loss of losses) values.push((await loss.read())[0]);
      assert.ok(values.every(Number.isFinite), `${mode}: ${values}`);
      const total =
        mode === 'NC' ? values[1] : values[1] + values[2] + 10 * (values[3] + values[4]);
      assert.ok(Math.abs(values[0] / total - 1) < 1e-5, `${mode}: ${values}`);
    }
    assert.is(method.pools.get('H')?.count, 2);
    method.dispose();
  }
});

suite.run();
