/**
 * Training with activations stored as f16: steps that are left out, bit for bit the same after a stop,
 * what is refused, and when a run is given up.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { CheckpointError, GpuError, NumericalError } from '../../src/errors.ts';
import { Gpu } from '../../src/gpu/gpu.ts';
import { checkPrecision } from '../../src/methods/check-precision.ts';
import { openNodeGpu } from '../../src/node.ts';
import { loadCheckpoint } from '../../src/run/checkpoint.ts';
import type { OptionValues } from '../../src/run/options.ts';
import { readLog } from '../../src/train/run-log.ts';
import { trainRun } from '../../src/train/train-run.ts';
import { configureTraining, TrainingRun } from '../../src/train/training-run.ts';
import { simulatedPairs } from '../support/simulated-pairs.ts';

const suite = createSuite<{ folder: string }>('mixed precision');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());
suite.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'sonolift-precision-'));
});
suite.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

const PAIRS = simulatedPairs(3, 6, 40);

const OPTIONS: OptionValues = {
  data: 'simulated',
  out: 'runs',
  size: 32,
  ngf: 2,
  ndf: 2,
  levels: 3,
  batch: 2,
  epochs: 100,
  perceptual: 'random-features',
  // So large that the first scales are not finite.
  'lambda-l1': 300,
  precision: 'f16',
  seed: 5,
};

/** The one method with a transformer, a contrast between superpixels and a teacher. */
const MSPGAN: OptionValues = {
  ...{ method: 'mspgan', levels: undefined, perceptual: undefined },
  ...{ blocks: 1, layers: 1, heads: 2, 'smc-width': 8, 'ramp-steps': 4 },
};

function train(device: Gpu, runFolder: string, options: OptionValues, resume = false) {
  return trainRun({
    gpu: device,
    configuration: configureTraining({ ...OPTIONS, ...options }),
    train: PAIRS,
    validation: undefined,
    runFolder,
    weights: undefined,
    resume,
    command: 'test',
    log: () => undefined,
  });
}

const failureOf = (run: Promise<unknown>): Promise<unknown> =>
  run.then(
    () => undefined,
    (error: unknown) => error,
  );

async function remains(runFolder: string) {
  const { state, files } = await loadCheckpoint(runFolder);
  const tensors = Object.entries(files).flatMap(([file, content]) =>
    [...content].map(([name, { data }]) => {
      const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      return [`${file}/${name}`, bytes.toString('base64')];
    }),
  );
  const log = readLog(join(runFolder, 'log.jsonl')).map(({ seconds: _, ...record }) => record);
  return { tensors, log, state: { ...state, files: undefined } };
}

if (gpu.profile.f16) {
  for (const [method, options] of [
    ['proposed', {}],
    ['mspgan', MSPGAN],
  ] as const) {
    suite(`${method}: a run that leaves out steps is stopped, resumed and the same to the bit`, ({
      folder,
    }) => goesOnTheSame(join(folder, method), options));
  }

  async function goesOnTheSame(folder: string, options: OptionValues): Promise<void> {
    const [straight, resumed] = ['straight', 'resumed'].map((name) => join(folder, name));
    const steps = 12;
    await train(gpu, straight, { ...options, steps });
    const expected = await remains(straight);
    assert.is(expected.state.step, steps);
    const skipped = expected.log.map(({ skipped_G }) => Number(skipped_G));
    assert.ok(skipped[steps - 1] > 0 && skipped[steps - 1] < steps, `left out: ${skipped}`);
    const scales = expected.log.map(({ scale_G }) => Number(scale_G));
    skipped.forEach((count, step) => {
      assert.is(scales[step], 65536 / 2 ** count);
    });
    assert.ok(expected.log.every((record) => Number(record.scale_D) >= 1 && !('scale' in record)));
    await train(gpu, resumed, { ...options, steps: 5 });
    await train(gpu, resumed, { ...options, steps }, true);
    assert.equal(await remains(resumed), expected);
    const { methodOptions } = JSON.parse(
      readFileSync(join(straight, 'config.json'), 'utf8'),
    ).options;
    assert.is(methodOptions.precision, 'f16');
  }

  suite('a run is not resumed with another precision', async ({ folder }) => {
    const refused = await failureOf(
      train(gpu, join(folder, 'proposed', 'straight'), { steps: 20, precision: 'f32' }, true),
    );
    assert.instance(refused, CheckpointError);
    assert.match(String(refused), /precision f16, found f32/);
  });

  for (const [method, options] of [
    ['proposed', { perceptual: 'none' }],
    ['mspgan', MSPGAN],
  ] as const) {
    suite(`${method}: gradients that no scale makes finite end a run, by name`, async () => {
      const run = await TrainingRun.open({
        gpu,
        configuration: configureTraining({ ...OPTIONS, ...options, 'lambda-l1': 1e30 }),
        train: PAIRS,
      });
      let failure: unknown;
      for (let step = 1; step <= 20 && !failure; step++) failure = await failureOf(run.trainStep());
      assert.is(run.step, 17);
      assert.instance(failure, NumericalError);
      assert.match(String(failure), /step 17: scale_G has fallen to 0.5/);
      run.dispose();
    });

    suite(`${method}: nothing is leaked`, async () => {
      const run = await TrainingRun.open({
        gpu,
        configuration: configureTraining({ ...OPTIONS, ...options }),
        train: PAIRS,
      });
      await run.trainStep();
      const { liveBytes, liveBuffers } = gpu.memory();
      for (let step = 0; step < 3; step++) await run.trainStep();
      assert.is(gpu.memory().liveBytes, liveBytes);
      assert.is(gpu.memory().liveBuffers, liveBuffers);
      run.dispose();
    });
  }

  suite('a device that stores the largest number instead of infinity is refused', async () => {
    const clipped = { read: async () => Uint16Array.of(0x7bff, 0xfbff, 0x7bff, 0).buffer };
    const device: Gpu = Object.assign(Object.create(gpu), clipped);
    const refused = await failureOf(checkPrecision(device, 'f16'));
    assert.instance(refused, GpuError);
    assert.match(String(refused), /stores 1000000, .* as 65504, -65504, 65504, 0/);
    await checkPrecision(device, 'f32');
  });
} else {
  suite(`skipped: ${gpu.description} has no shader-f16`, () => undefined);
}

suite('a device without shader-f16 is refused before anything is written', async ({ folder }) => {
  const profile = { ...gpu.profile, f16: false };
  const without = new Gpu(gpu.device, profile, { description: 'an old adapter' });
  const run = join(folder, 'without');
  const refused = await failureOf(train(without, run, { steps: 1 }));
  assert.instance(refused, GpuError);
  assert.is((refused as GpuError).exitCode, 5);
  assert.match(String(refused), /shader-f16, which an old adapter does not offer/);
  assert.not(existsSync(run));
});

suite.run();
