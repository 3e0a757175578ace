/**
 * NaN and infinity are found and named wherever they enter a training run: in an image, in a weight
 * that has diverged, in a checkpoint; and nothing on the way turns them into ordinary numbers.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { noGrad } from '../../src/autograd/tape.ts';
import { type Tensor, tensorFrom } from '../../src/autograd/tensor.ts';
import type { PairSource } from '../../src/data/pairs.ts';
import { CheckpointError, NumericalError } from '../../src/errors.ts';
import { PROPOSED_DEFAULTS, ProposedMethod } from '../../src/methods/proposed.ts';
import { EVALUATION, readState, writeState } from '../../src/nn/network.ts';
import { SpectralPatchGan } from '../../src/nn/patchgan.ts';
import { PerceptualDistance } from '../../src/nn/perceptual/perceptual-distance.ts';
import {
  randomFeatureWeights,
  uniformLayerWeights,
} from '../../src/nn/perceptual/random-features.ts';
import { UNet } from '../../src/nn/unet.ts';
import { openNodeGpu } from '../../src/node.ts';
import { loadCheckpoint } from '../../src/run/checkpoint.ts';
import { parseOptions } from '../../src/run/options.ts';
import { assertFiniteTensors } from '../../src/train/check-finite.ts';
import { TRAIN_PROGRAM, trainConfiguration } from '../../src/train/configuration.ts';
import { trainRun } from '../../src/train/train-run.ts';
import { simulatedPairs } from '../support/simulated-pairs.ts';

const suite = createSuite<{ folder: string }>('NaN and infinity in training');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());
suite.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'sonolift-non-finite-'));
});
suite.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

const root = fileURLToPath(new URL('../..', import.meta.url));
const SMALL = ['--size', '32', '--levels', '4', '--ngf', '2', '--ndf', '2', '--batch', '2'];
const OPTIONS = [...SMALL, '--perceptual', 'none', '--lambda-perceptual', '0', '--seed', '5'];

/** Pairs of which one has a pixel of this value in one of its images. */
function spoiled(source: PairSource, index: number, domain: 'low' | 'high', value: number) {
  return {
    pairs: source.pairs,
    load: async (which: number) => {
      const pair = await source.load(which);
      if (which !== index) return pair;
      const data = pair[domain].data.slice();
      data[17] = value;
      return { ...pair, [domain]: { ...pair[domain], data } };
    },
  };
}

for (const [domain, value] of [
  ['low', Number.NaN],
  ['high', Number.NEGATIVE_INFINITY],
] as const) {
  suite(`${value} in a ${domain} image is reported by its name`, async ({ folder }) => {
    const argv = ['--data', 'simulated', '--out', 'runs', ...OPTIONS, '--steps', '3'];
    const { values } = parseOptions(TRAIN_PROGRAM, argv);
    const failure = await trainRun({
      gpu,
      configuration: trainConfiguration(values),
      train: spoiled(simulatedPairs(3, 4, 32), 2, domain, value),
      validation: undefined,
      runFolder: join(folder, domain),
      weights: undefined,
      resume: false,
      command: 'test',
      log: () => undefined,
    }).then(
      () => undefined,
      (error: unknown) => error,
    );
    assert.instance(failure, NumericalError);
    const text = `in the ${domain} image of simulated/0002 (1 of 1024 pixels)`;
    assert.ok(String(failure).includes(text), String(failure));
  });
}

/**
 * Losses stay finite there, so they tell nothing: squares of gradients overflow in Adam's second moment,
 * and the generators would stand still for ever.
 */
suite('a run whose moments overflow ends with code 6 and names them', async ({ folder }) => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [...process.execArgv, ...args], { cwd: root, encoding: 'utf8' });
  const data = join(folder, 'data');
  const made = run('src/data/simulate.ts', '--out', data, '--count', '12', '--size', '32');
  assert.is(made.status, 0, made.stderr);
  const out = join(folder, 'diverging');
  const argv = ['--data', data, '--out', out, ...OPTIONS, '--lambda-l1', '3e38', '--steps', '6'];
  const trained = run('src/train/index.ts', ...argv);
  assert.is(trained.status, 6, `${trained.stdout}${trained.stderr}`);
  assert.match(trained.stderr, /^NumericalError: step \d+: /m);
  assert.match(trained.stderr, /exp_avg_sq\.G_H\.down1\.weight \(32 of 32\)/, trained.stderr);
  // What it leaves behind can be gone on from.
  const { state, files } = await loadCheckpoint(out);
  assert.is(state.step, 0);
  assertFiniteTensors(files, 0);
  assert.equal(readdirSync(join(out, 'checkpoints')), ['step-000000']);
});

suite('a NaN in any weight of any network reaches its output', async () => {
  const method = new ProposedMethod(gpu, {
    ...PROPOSED_DEFAULTS,
    ngf: 2,
    ndf: 2,
    levels: 4,
    dropout: 0,
    lambdaPerceptual: 0,
  });
  const image = Float32Array.from({ length: 32 * 32 }, (_, i) => Math.sin(i));
  const x = tensorFrom(gpu, image, [1, 1, 32, 32]);
  let checked = 0;
  for (const prefix of ['G_H.', 'D_H.']) {
    const network = method.networks.get(prefix);
    assert.ok(network instanceof UNet || network instanceof SpectralPatchGan);
    if (!(network instanceof UNet || network instanceof SpectralPatchGan)) continue;
    const { parameters } = network;
    const sound = await parameters.read();
    for (const [name, values] of sound) {
      const bad = values.slice();
      bad[bad.length - 1] = Number.NaN;
      parameters.write(new Map([...sound, [name, bad]]));
      const y = await gpu.scope(() => noGrad(() => network.forward(x, EVALUATION))).read();
      assert.ok(y.some(Number.isNaN), `NaN in ${prefix}${name} is lost`);
      checked++;
    }
    parameters.write(sound);
  }
  assert.ok(checked >= 26, `${checked} parameters`);
  method.dispose();
});

suite('a NaN pixel makes a perceptual distance NaN, of its image only', async () => {
  const weights = { trunk: randomFeatureWeights(), linear: uniformLayerWeights() };
  const distance = new PerceptualDistance(gpu, 'random-features', weights);
  const data = Float32Array.from({ length: 2 * 32 * 32 }, (_, i) => Math.sin(i * i));
  const features = (values: Float32Array): Tensor[] =>
    distance.features(tensorFrom(gpu, values, [2, 1, 32, 32]));
  const bad = data.map((value, i) => (i === 500 ? Number.NaN : value * 0.5));
  const [first, second] = await distance.distance(features(data), features(bad)).read();
  assert.ok(Number.isNaN(first), `found ${first}`);
  assert.ok(second > 0, `found ${second}`);
  distance.dispose();
});

suite('a state with NaN or infinity is refused by name', async () => {
  const method = new ProposedMethod(gpu, {
    ...PROPOSED_DEFAULTS,
    ngf: 2,
    ndf: 2,
    levels: 3,
    lambdaPerceptual: 0,
  });
  const network = method.networks.get('G_H.');
  assert.ok(network);
  if (!network) return;
  const state = await readState(network);
  state.get('down2.weight')?.data.fill(Number.POSITIVE_INFINITY, 7, 8);
  assert.throws(
    () => writeState(network, state, 'a checkpoint'),
    (error: unknown) =>
      error instanceof CheckpointError &&
      /a checkpoint: tensor down2\.weight: .* found Infinity at 7/.test(error.message),
  );
  method.dispose();
});

suite('what a checkpoint would hold is looked at', () => {
  const data = Float32Array.of(1, Number.NaN, Number.POSITIVE_INFINITY);
  const files = { G_H: new Map([['G_H.up1.bias', { data }]]) };
  assert.throws(
    () => assertFiniteTensors(files, 12),
    (error: unknown) =>
      error instanceof NumericalError &&
      /step 12: .* in G_H\.up1\.bias \(2 of 3\)/.test(error.message),
  );
  assertFiniteTensors({ G_H: new Map([['x', { data: Float32Array.of(1, 2) }]]) }, 1);
});

suite.run();
