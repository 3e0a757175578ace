/** Sizes of the networks against those of the published architectures, counted with PyTorch. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { RandomStream } from '../../src/autograd/philox.ts';
import { sizeOf, zeros } from '../../src/autograd/tensor.ts';
import { declareMspganGenerator } from '../../src/nn/mspgan-generator.ts';
import { EVALUATION } from '../../src/nn/network.ts';
import type { ParameterDeclaration } from '../../src/nn/parameter-set.ts';
import { declarePatchGan, SpectralPatchGan } from '../../src/nn/patchgan.ts';
import { declareBasicPatchGan } from '../../src/nn/patchgan-basic.ts';
import { PERCEPTUAL_NAMES, TRUNKS, trunkShapes } from '../../src/nn/perceptual/trunks.ts';
import { declareRegistration } from '../../src/nn/registration.ts';
import { declareResNet } from '../../src/nn/resnet.ts';
import { declareProjections } from '../../src/nn/superpixel-contrast.ts';
import { declareUNet } from '../../src/nn/unet.ts';
import { openNodeGpu } from '../../src/node.ts';

const suite = createSuite('parameter counts');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

const random = new RandomStream(0, 'never drawn from');
const count = (declarations: readonly ParameterDeclaration[]): number =>
  declarations.reduce((sum, { shape }) => sum + sizeOf(shape), 0);

suite('U-Net with instance norm or batch norm', () => {
  const unet = (channels: number, norm?: 'batch'): number =>
    count(
      declareUNet(
        {
          ...(norm && { norm }),
          inChannels: channels,
          outChannels: channels,
          ngf: 64,
          levels: 8,
          dropoutSite: 'encoder',
          dropout: 0.5,
          paddingMode: 'zeros',
          initialiser: 'default',
        },
        random,
      ),
    );
  assert.is(unet(1), 54_403_457);
  assert.is(unet(3), 54_409_603);
  assert.is(unet(1, 'batch'), 54_407_809);
  assert.is(unet(3, 'batch'), 54_413_955);
});

suite('PatchGAN with spectral norm', () => {
  const patchGan = (inChannels: number, spectralLayers: 4 | 5): number =>
    count(declarePatchGan({ inChannels, ndf: 64, spectralLayers, initialiser: 'default' }, random));
  const expected = { 1: 2_762_689, 2: 2_763_713, 3: 2_764_737, 6: 2_767_809 };
  for (const [channels, parameters] of Object.entries(expected)) {
    assert.is(patchGan(Number(channels), 4), parameters);
    assert.is(patchGan(Number(channels), 5), parameters, 'u and v are no parameters');
  }
});

suite('PatchGAN with instance norm or batch norm', () => {
  const patchGan = (inChannels: number, norm: 'instance' | 'batch'): number =>
    count(declareBasicPatchGan({ inChannels, ndf: 64, norm, initialiser: 'default' }, random));
  const [instance, batch] = (['instance', 'batch'] as const).map((norm) =>
    [1, 2, 3, 6].map((channels) => patchGan(channels, norm)),
  );
  assert.equal(instance, [2_762_689, 2_763_713, 2_764_737, 2_767_809]);
  assert.equal(batch, [2_763_585, 2_764_609, 2_765_633, 2_768_705]);
});

suite('ResNet of nine blocks', () => {
  const resnet = (channels: number): number =>
    count(
      declareResNet(
        {
          inChannels: channels,
          outChannels: channels,
          ngf: 64,
          blocks: 9,
          initialiser: 'default',
        },
        random,
      ),
    );
  assert.is(resnet(1), 11_365_633);
  assert.is(resnet(3), 11_378_179);
});

suite('generator and projections of the reconstructed MSPGAN', () => {
  const sizes = { ngf: 64, blocks: 4, layers: 4, heads: 8, positions: 32 };
  const ends = { inChannels: 1, outChannels: 1, initialiser: 'default' } as const;
  assert.is(count(declareMspganGenerator({ ...sizes, ...ends }, random)), 14_131_457);
  const channels = [64, 128, 256];
  assert.is(
    count(declareProjections({ channels, width: 256, initialiser: 'default' }, random)),
    312_832,
  );
});

suite('registration network', () => {
  assert.is(count(declareRegistration({ width: 32, levels: 7 }, random)), 2_058_018);
});

suite('perceptual trunks', () => {
  const counts = PERCEPTUAL_NAMES.map((name) => {
    const shapes = [...trunkShapes(TRUNKS[name]).values()];
    return [name, shapes.reduce((sum, shape) => sum + sizeOf(shape), 0)];
  });
  const { squeeze, alex, vgg } = Object.fromEntries(counts);
  assert.is(vgg, 14_714_688);
  assert.is(alex, 2_469_696);
  assert.is(squeeze, 722_496);
});

suite('PatchGAN judges a 256×256 image in 30×30 patches', async () => {
  const network = new SpectralPatchGan(
    gpu,
    { inChannels: 1, ndf: 1, spectralLayers: 4, initialiser: 'default' },
    new RandomStream(0, 'patchgan'),
  );
  const logits = network.forward(zeros(gpu, [1, 1, 256, 256]), EVALUATION);
  assert.equal(logits.shape, [1, 1, 30, 30]);
  assert.ok((await logits.read()).every(Number.isFinite));
});

suite.run();
