/**
 * Training is deterministic to the last bit: twice the same run, and a run that was stopped, saved and
 * resumed on a newly opened device, dropout included.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { CheckpointError } from '../../src/errors.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { UNet } from '../../src/nn/unet.ts';
import { openNodeGpu } from '../../src/node.ts';
import { loadCheckpoint } from '../../src/run/checkpoint.ts';
import { parseOptions } from '../../src/run/options.ts';
import {
  TRAIN_PROGRAM,
  type TrainConfiguration,
  trainConfiguration,
} from '../../src/train/configuration.ts';
import { readLog } from '../../src/train/run-log.ts';
import { trainRun } from '../../src/train/train-run.ts';
import { simulatedPairs } from '../support/simulated-pairs.ts';

const STEPS = 20;
const STOP = 10;

/** Three batches an epoch, so that the stop lies within one; a decay of the learning rate on the way. */
const PAIRS = simulatedPairs(3, 6, 72);

const suite = createSuite<{ folder: string }>('resume');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());
suite.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'sonolift-resume-'));
});
suite.after(({ folder }) => {
  rmSync(folder, { recursive: true, force: true });
});

function configuration(options: Readonly<Record<string, string | number>>): TrainConfiguration {
  const all = {
    data: 'simulated',
    out: 'runs',
    size: 64,
    levels: 6,
    ngf: 2,
    ndf: 2,
    batch: 2,
    dropout: 0.5,
    perceptual: 'random-features',
    epochs: 100,
    'lr-every': 2,
    'read-every': 3,
    flip: 'on',
    seed: 5,
    ...options,
  };
  const argv = Object.entries(all).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return trainConfiguration(parseOptions(TRAIN_PROGRAM, argv).values);
}

function train(
  device: Gpu,
  runFolder: string,
  options: Readonly<Record<string, string | number>>,
  resume = false,
) {
  return trainRun({
    gpu: device,
    configuration: configuration(options),
    train: PAIRS,
    validation: undefined,
    runFolder,
    weights: undefined,
    resume,
    command: 'test',
    log: () => undefined,
  });
}

/** Everything a run leaves behind, but for how long it took. */
async function remains(runFolder: string) {
  const { state, files } = await loadCheckpoint(runFolder);
  const tensors = new Map<string, Uint8Array>();
  for (const [file, content] of Object.entries(files)) {
    for (const [name, { data }] of content) {
      tensors.set(`${file}/${name}`, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
  }
  const log = readLog(join(runFolder, 'log.jsonl')).map(({ seconds: _, ...record }) => record);
  const { files: __, ...rest } = state;
  return { tensors, log, state: rest };
}

type Remains = Awaited<ReturnType<typeof remains>>;

function assertIdentical(found: Remains, expected: Remains): void {
  assert.equal([...found.tensors.keys()], [...expected.tensors.keys()]);
  const different = [...expected.tensors].filter(
    ([name, bytes]) => !Buffer.from(bytes).equals(found.tensors.get(name) ?? Buffer.of()),
  );
  assert.equal(
    different.map(([name]) => name),
    [],
    'tensors that differ',
  );
  assert.equal(found.log, expected.log);
  assert.equal(found.state, expected.state);
}

suite('the run that is compared draws dropout masks', () => {
  const made = configuration({ perceptual: 'none' }).method.create(gpu);
  const generator = made.networks.get('G_H.');
  assert.ok(generator instanceof UNet && generator.isStochastic);
  made.dispose();
});

suite('two runs are identical, one of them stopped and resumed on another device', async ({
  folder,
}) => {
  const [straight, again, resumed] = ['straight', 'again', 'resumed'].map((name) =>
    join(folder, name),
  );
  await train(gpu, straight, { steps: STEPS });
  const expected = await remains(straight);
  assert.is(expected.state.step, STEPS);
  assert.is(expected.log.length, STEPS);
  assert.ok([...expected.tensors.keys()].some((name) => name.includes('exp_avg_sq.')));
  assert.ok(new Set(expected.log.map(({ lr }) => lr)).size > 2, 'the learning rate decays');

  await train(gpu, again, { steps: STEPS });
  assertIdentical(await remains(again), expected);

  await train(gpu, resumed, { steps: STOP });
  const half = await remains(resumed);
  assert.is(half.state.step, STOP);
  assert.ok(half.state.batchIndex > 0, 'stopped within an epoch');
  assert.equal(half.log, expected.log.slice(0, STOP));
  const other = await openNodeGpu();
  try {
    await train(other, resumed, { steps: STEPS }, true);
  } finally {
    other.close();
  }
  assertIdentical(await remains(resumed), expected);
});

suite('a run is not resumed with options that would change it', async ({ folder }) => {
  for (const [name, value, text] of [
    ['seed', 6, 'seed 5, found 6'],
    ['dropout', 0.25, 'dropout 0.5, found 0.25'],
    ['ngf', 4, 'ngf'],
  ] as const) {
    const refused = await train(
      gpu,
      join(folder, 'straight'),
      { steps: 30, [name]: value },
      true,
    ).then(
      () => undefined,
      (error: unknown) => error,
    );
    assert.instance(refused, CheckpointError, `${name} ${String(refused)}`);
    assert.match(String(refused), text);
  }
});

suite.run();
