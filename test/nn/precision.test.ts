/** Networks whose activations are stored as f16 against the same in f32: outputs and gradients. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { backward } from '../../src/autograd/backward.ts';
import { l1Loss, mseToScalar } from '../../src/autograd/ops/losses.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { type Tensor, tensorFrom } from '../../src/autograd/tensor.ts';
import { MspganGenerator } from '../../src/nn/mspgan-generator.ts';
import type { ForwardContext, Network } from '../../src/nn/network.ts';
import { SpectralPatchGan } from '../../src/nn/patchgan.ts';
import { PatchGan } from '../../src/nn/patchgan-basic.ts';
import { PerceptualDistance } from '../../src/nn/perceptual/perceptual-distance.ts';
import {
  randomFeatureWeights,
  uniformLayerWeights,
} from '../../src/nn/perceptual/random-features.ts';
import { RegistrationNet } from '../../src/nn/registration.ts';
import { ResNet } from '../../src/nn/resnet.ts';
import { UNet } from '../../src/nn/unet.ts';
import { openNodeGpu } from '../../src/node.ts';

const suite = createSuite('networks over f16 storage');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

/** Loss scale: gradients of single pixels are below what f16 can hold. */
const SCALE = 4096;

const random = (name: string): RandomStream => new RandomStream(3, name);

function image(name: string, channels: number): Tensor {
  const stream = random(name);
  const data = Float32Array.from({ length: 2 * channels * 32 * 32 }, () => stream.normal() / 2);
  return tensorFrom(gpu, data, [2, channels, 32, 32]).keep();
}

interface Trained extends Network {
  forward(x: Tensor, context: ForwardContext): Tensor;
}

const sides = { inChannels: 1, outChannels: 1, initialiser: 'default' } as const;
const judge = { inChannels: 1, ndf: 4, initialiser: 'default' } as const;
const unet = { ...sides, ngf: 4, levels: 3, dropout: 0, dropoutSite: 'none' } as const;

/**
 * What they are held to: rounding turns the sign of some activations near 0, and so a ReLU's slope; norms of
 * small planes amplify.
 */
const NETWORKS: readonly {
  readonly name: string;
  readonly channels: number;
  readonly make: () => Trained;
  /** Largest relative error of all gradients together. */
  readonly bound: number;
}[] = [
  {
    name: 'U-Net',
    channels: 1,
    make: () => new UNet(gpu, { ...unet, paddingMode: 'zeros' }, random('G')),
    bound: 0.01,
  },
  {
    name: 'U-Net with batch norm, reflected and resized',
    channels: 1,
    make: () =>
      new UNet(
        gpu,
        { ...unet, paddingMode: 'reflect', norm: 'batch', upsample: 'resize' },
        random('G'),
      ),
    bound: 0.01,
  },
  {
    name: 'ResNet with skips',
    channels: 1,
    make: () => new ResNet(gpu, { ...sides, ngf: 4, blocks: 1, skips: true }, random('G')),
    bound: 0.01,
  },
  {
    name: 'MSPGAN generator, its positions resized',
    channels: 1,
    make: () =>
      new MspganGenerator(
        gpu,
        { ...sides, ngf: 4, blocks: 1, layers: 2, heads: 2, positions: 3 },
        random('G'),
      ),
    bound: 0.03,
  },
  {
    name: 'spectral PatchGAN',
    channels: 1,
    make: () => new SpectralPatchGan(gpu, { ...judge, spectralLayers: 4 }, random('D')),
    bound: 0.01,
  },
  {
    name: 'PatchGAN',
    channels: 1,
    make: () => new PatchGan(gpu, { ...judge, norm: 'instance' }, random('D')),
    bound: 0.03,
  },
  {
    name: 'registration',
    channels: 2,
    make: () => new RegistrationNet(gpu, { width: 4, levels: 2 }, random('R')),
    bound: 0.01,
  },
];

/** √(Σ (a-b)² / Σ b²) */
function relativeError(found: Float32Array, expected: Float32Array): number {
  let [difference, whole] = [0, 0];
  expected.forEach((value, index) => {
    difference += (found[index] - value) ** 2;
    whole += value ** 2;
  });
  assert.ok(whole > 0);
  return Math.sqrt(difference / whole);
}

/** Element types of everything that a result was made of, by op. */
function typesBehind(output: Tensor): Set<string> {
  const types = new Set<string>();
  const seen = new Set<Tensor>();
  const visit = (tensor: Tensor): void => {
    if (seen.has(tensor) || !tensor.node) return;
    seen.add(tensor);
    for (const input of tensor.node.inputs) {
      if (input.node) types.add(`${input.node.op} ${input.elementType}`);
      visit(input);
    }
  };
  visit(output);
  return types;
}

async function run(make: () => Trained, channels: number, precision: 'f32' | 'f16') {
  const network = make();
  const x = image('x', channels);
  const context: ForwardContext = { training: true, seed: 0, step: 0, pass: 0, precision };
  const { output, types } = gpu.scope(() => {
    const y = network.forward(x, context);
    const sameSize = y.shape.join() === x.shape.join();
    const loss = sameSize ? l1Loss(y, image('target', channels)) : mseToScalar(y, 1);
    const seed = tensorFrom(gpu, [SCALE], []);
    backward(loss, network.parameters.all(), seed);
    return { output: y, types: typesBehind(y) };
  });
  const gradients: number[] = [];
  for (const { requiresGrad, gradient } of network.parameters.all()) {
    if (requiresGrad) gradients.push(...(await gradient.tensor.read()));
  }
  return { output, types, values: await output.read(), gradients: Float32Array.from(gradients) };
}

if (gpu.profile.f16) {
  for (const { name, channels, make, bound } of NETWORKS) {
    suite(`${name}: outputs and gradients are those of f32, activations f16`, async () => {
      const full = await run(make, channels, 'f32');
      const half = await run(make, channels, 'f16');
      assert.is(half.output.elementType, 'f32');
      assert.ok([...full.types].every((type) => type.endsWith('f32')));
      const wide = [...half.types].filter((type) => type.endsWith('f32'));
      // What is made of parameters is no activation: weights under spectral norm, a batch of positions.
      assert.equal(
        wide.filter((type) => !/^(spectral|resize_bilinear|concat)/.test(type)),
        [],
      );
      assert.ok(half.types.size > wide.length);
      const forward = relativeError(half.values, full.values);
      const back = relativeError(half.gradients, full.gradients);
      assert.ok(forward < 0.005, `output ${forward}`);
      assert.ok(back < bound, `gradients ${back}`);
    });
  }

  suite('perceptual distance: value and gradient of the image', async () => {
    const distance = new PerceptualDistance(gpu, 'random-features', {
      trunk: randomFeatureWeights(),
      linear: uniformLayerWeights(),
    });
    const [real, fake] = [image('real', 1), image('fake', 1)];
    fake.requiresGrad = true;
    const results: { value: Float32Array; gradient: Float32Array }[] = [];
    for (const precision of ['f32', 'f16'] as const) {
      const { value, gradient } = gpu.scope(() => {
        const [mean] = distance.meanDistances([{ real, fake }], precision);
        const found = backward(mean, [fake], tensorFrom(gpu, [SCALE], []));
        return { value: mean, gradient: found.get(fake) as Tensor };
      });
      assert.is(gradient.elementType, 'f32');
      results.push({ value: await value.read(), gradient: await gradient.read() });
    }
    const [full, half] = results;
    assert.not.equal(half.value, full.value);
    const value = relativeError(half.value, full.value);
    const gradient = relativeError(half.gradient, full.gradient);
    assert.ok(value < 1e-3, `value ${value}`);
    // Rounding also makes ties in max-pooling, and takes other winners.
    assert.ok(gradient < 0.05, `gradient ${gradient}`);
    distance.dispose();
  });
} else {
  suite(`skipped: ${gpu.description} has no shader-f16`, () => undefined);
}

suite.run();
