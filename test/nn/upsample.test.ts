/**
 * Doubling by resizing: generators with it against PyTorch (output and all gradients), what it does to a
 * flat image, and what checkpoints say of it.
 */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { RandomStream } from '../../src/autograd/philox.ts';
import { sizeOf, tensorFrom } from '../../src/autograd/tensor.ts';
import { CheckpointError } from '../../src/errors.ts';
import { declareResNet, ResNet } from '../../src/nn/resnet.ts';
import { declareUNet, UNet } from '../../src/nn/unet.ts';
import { UPSAMPLES, type Upsample, upsample } from '../../src/nn/upsample.ts';
import { openNodeGpu } from '../../src/node.ts';
import { generatorPlan } from '../../src/run/enhancer.ts';
import { largest } from '../support/deviation.ts';
import { checkNetwork, type Forwarding, type NetworkEntry } from '../support/network-case.ts';
import { FixtureTensors, readFixture } from '../support/pytorch-fixtures.ts';

const suite = createSuite('upsampling');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

const random = () => new RandomStream(0, 'upsample');
const tensors = new FixtureTensors('generators.safetensors');
const { networks } = readFixture<{ networks: NetworkEntry[] }>('generators.json');

function build({ network, attributes }: NetworkEntry): Forwarding {
  const ngf = Number(attributes.ngf);
  const common = { inChannels: 1, outChannels: 1, ngf, initialiser: 'default' } as const;
  if (network === 'ResNet') {
    const { blocks, resize, skips } = attributes;
    const kind: Upsample = resize === true ? 'resize' : 'transposed';
    const joined = skips === true && ({ skips: true, downPadding: 'reflect' } as const);
    return new ResNet(
      gpu,
      { ...common, blocks: Number(blocks), upsample: kind, ...joined },
      random(),
    );
  }
  return new UNet(
    gpu,
    {
      ...common,
      levels: Number(attributes.levels),
      norm: network === 'BatchNormUNet' ? 'batch' : 'instance',
      paddingMode: attributes.padding_mode === 'reflect' ? 'reflect' : 'zeros',
      upsample: 'resize',
      dropout: 0,
      dropoutSite: 'none',
    },
    random(),
  );
}

for (const entry of networks) {
  suite(entry.name, () => checkNetwork(gpu, build(entry), entry, tensors));
}

suite('a flat image stays flat by resizing, not by transposed convolutions', async () => {
  const draws = random();
  const values = (...shape: number[]) =>
    tensorFrom(
      gpu,
      new Float32Array(sizeOf(shape)).map(() => draws.normal()),
      shape,
    );
  const flat = tensorFrom(gpu, new Float32Array(2 * 8 * 8).fill(0.5), [1, 2, 8, 8]);
  const side = 16;
  const spread = async (kind: Upsample, kernel: number, outputPadding: number) => {
    const weight = kind === 'resize' ? values(1, 2, 3, 3) : values(2, 1, kernel, kernel);
    const result = upsample(kind, flat, weight, values(1), { paddingMode: 'zeros', outputPadding });
    assert.equal(result.shape, [1, 1, side, side]);
    const pixels = await result.read();
    // Away from the border, whose zeros all of them see.
    const inner = Float32Array.from(pixels).filter((_, i) => {
      const [row, column] = [Math.floor(i / side), i % side];
      return Math.min(row, column) > 1 && Math.max(row, column) < side - 2;
    });
    const mean = inner.reduce((sum, value) => sum + value, 0) / inner.length;
    return largest(inner.map((value) => value - mean));
  };
  assert.ok((await spread('resize', 3, 0)) < 1e-6);
  assert.ok((await spread('transposed', 4, 0)) > 0.1);
  assert.ok((await spread('transposed', 3, 1)) > 0.1);
});

suite('parameters: three sides of nine weights a layer; the authors’ ResNet of 15 blocks', () => {
  const options = { inChannels: 1, outChannels: 1, ngf: 64, initialiser: 'default' } as const;
  const count = (declarations: ReturnType<typeof declareResNet>) =>
    declarations.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const skip = { skips: true, upsample: 'resize', downPadding: 'reflect' } as const;
  assert.is(count(declareResNet({ ...options, ...skip, blocks: 15 }, random())), 18_523_457);
  const resnet = (kind: Upsample) =>
    count(declareResNet({ ...options, blocks: 9, upsample: kind }, random()));
  assert.is(resnet('resize'), resnet('transposed'));
  const unet = (kind: Upsample) => {
    const none = { dropout: 0, dropoutSite: 'none', paddingMode: 'zeros' } as const;
    return declareUNet({ ...options, ...none, levels: 8, upsample: kind }, random());
  };
  const [transposed, resize] = UPSAMPLES.map(unet);
  for (const [index, { name, shape }] of resize.entries()) {
    const other = transposed[index];
    assert.is(name, other.name);
    if (!/^up\d\.weight$/.test(name)) assert.equal(shape, other.shape, name);
    else assert.equal(shape, [other.shape[1], other.shape[0], 3, 3], name);
  }
});

suite('an architecture without the field is of transposed convolutions', async () => {
  const shapeOf = async (architecture: { method: string; [name: string]: unknown }) => {
    const generator = (await generatorPlan(architecture, 'step')).make(gpu);
    const shape = generator.parameters.get('up1.weight').shape;
    generator.parameters.dispose();
    return shape;
  };
  const cyclegan = { method: 'cyclegan', ngf: 2, blocks: 1 };
  assert.equal(await shapeOf(cyclegan), [8, 4, 3, 3]);
  assert.equal(await shapeOf({ ...cyclegan, upsample: 'transposed' }), [8, 4, 3, 3]);
  assert.equal(await shapeOf({ ...cyclegan, upsample: 'resize' }), [4, 8, 3, 3]);
  const pix2pix = { method: 'pix2pix', ngf: 2, levels: 3, norm: 'instance' };
  assert.equal(await shapeOf(pix2pix), [4, 1, 4, 4]);
  assert.equal(await shapeOf({ ...pix2pix, upsample: 'resize' }), [1, 4, 3, 3]);
  const proposed = { method: 'proposed', ngf: 2, levels: 3, paddingMode: 'zeros' };
  assert.equal(await shapeOf(proposed), [4, 1, 4, 4]);
  assert.equal(await shapeOf({ ...proposed, upsample: 'resize' }), [1, 4, 3, 3]);
  const failure = await shapeOf({ ...cyclegan, upsample: 'bicubic' }).catch(
    (error: unknown) => error,
  );
  assert.instance(failure, CheckpointError);
  assert.match(
    String(failure),
    /architecture\.upsample: expected transposed or resize, found bicubic$/,
  );
});

suite.run();
