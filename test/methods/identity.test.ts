/** The identity term of methods whose publications have none. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { l1Loss } from '../../src/autograd/ops/losses.ts';
import { noGrad } from '../../src/autograd/tape.ts';
import { type Tensor, tensorFrom } from '../../src/autograd/tensor.ts';
import type { Method } from '../../src/methods/method.ts';
import { EVALUATION, readState } from '../../src/nn/network.ts';
import { ResNet } from '../../src/nn/resnet.ts';
import { UNet } from '../../src/nn/unet.ts';
import { openNodeGpu } from '../../src/node.ts';
import { parseOptions } from '../../src/run/options.ts';
import { TRAIN_PROGRAM, trainConfiguration } from '../../src/train/configuration.ts';

const suite = createSuite('identity term');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

const SIZE = 32;
const WEIGHT = 3;

/** Generators whose evaluation is that of training: instance norm, no dropout. */
const METHODS: Readonly<Record<string, { options: readonly string[]; letters: string }>> = {
  proposed: { options: ['--levels', '3', '--dropout', '0', '--perceptual', 'none'], letters: 'HL' },
  pix2pix: { options: ['--levels', '3', '--dropout', '0', '--norm', 'instance'], letters: 'H' },
  'reggan NC+R': { options: ['--blocks', '1', '--nrf', '2'], letters: 'H' },
  'reggan C': { options: ['--blocks', '1', '--mode', 'C'], letters: 'HL' },
};

const image = (phase: number): Tensor =>
  tensorFrom(
    gpu,
    Float32Array.from({ length: SIZE * SIZE }, (_, i) => Math.sin(i + phase)),
    [1, 1, SIZE, SIZE],
  );

function make(name: string, lambda: number): Method {
  const [method] = name.split(' ');
  const argv = ['--data', 'in', '--out', 'out', '--method', method, '--size', String(SIZE)];
  const small = ['--ngf', '2', '--ndf', '2', '--lambda-identity', String(lambda)];
  const { values } = parseOptions(TRAIN_PROGRAM, [...argv, ...small, ...METHODS[name].options]);
  return trainConfiguration(values).method.create(gpu);
}

/** How much a generator changes an image, before the step. */
async function change(method: Method, letter: string, own: Tensor): Promise<number> {
  const generator = method.networks.get(`G_${letter}.`);
  assert.ok(generator instanceof UNet || generator instanceof ResNet);
  const network = generator as UNet;
  const [value] = await noGrad(() => l1Loss(network.forward(own, EVALUATION), own)).read();
  return value;
}

async function losses(method: Method, low: Tensor, high: Tensor): Promise<Map<string, number>> {
  const terms = gpu.scope(() => method.trainStep({ low, high }, { step: 0, learningRate: 1e-3 }));
  assert.is(terms.length, method.lossNames.length);
  const values = new Map<string, number>();
  for (const [index, term] of terms.entries()) {
    values.set(method.lossNames[index], (await term.read())[0]);
  }
  return values;
}

for (const [name, { letters }] of Object.entries(METHODS)) {
  suite(`${name}: the term is how much generators change their own domain`, async () => {
    const [plain, with_] = [make(name, 0), make(name, WEIGHT)];
    const [low, high] = [image(0), image(1)];
    const names = [...letters].map((letter) => `G_identity_${letter}`);
    assert.equal(
      with_.lossNames.filter((loss) => !plain.lossNames.includes(loss)),
      names,
    );
    const expected: number[] = [];
    for (const letter of letters) {
      expected.push(await change(with_, letter, letter === 'H' ? high : low));
    }
    const without = await losses(plain, low, high);
    const found = await losses(with_, low, high);
    names.forEach((loss, index) => {
      const value = found.get(loss) ?? Number.NaN;
      assert.ok(Math.abs(value / expected[index] - 1) < 1e-5, `${loss}: ${value}, ${expected}`);
    });
    const total = (without.get('G') ?? Number.NaN) + WEIGHT * expected.reduce((a, b) => a + b, 0);
    const G = found.get('G') ?? Number.NaN;
    assert.ok(Math.abs(G / total - 1) < 1e-5, `G ${G}, expected ${total}`);
    // The term is trained on: weights go another way.
    const state = async (method: Method) =>
      (await readState(method.networks.get('G_H.') as UNet)).get('up1.weight')?.data;
    assert.not.equal(await state(with_), await state(plain));
    plain.dispose();
    with_.dispose();
  });
}

suite.run();
