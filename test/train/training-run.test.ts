/** A run in memory is the run on files: same losses, same checkpoints, each goes on from the other's. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { CheckpointError, UsageError } from '../../src/errors.ts';
import { openNodeGpu } from '../../src/node.ts';
import { readCheckpointFiles } from '../../src/run/checkpoint-files.ts';
import type { OptionValues } from '../../src/run/option-values.ts';
import { readLog } from '../../src/train/run-log.ts';
import { trainRun } from '../../src/train/train-run.ts';
import { configureTraining, TrainingRun } from '../../src/train/training-run.ts';
import { simulatedPairs } from '../support/simulated-pairs.ts';

const PAIRS = simulatedPairs(3, 5, 40);
const STEPS = 7;
const STOP = 4;

const TINY = { size: 32, ngf: 2, ndf: 2, batch: 2, epochs: 9, seed: 5, flip: 'on' };
const RUNS: readonly OptionValues[] = [
  { ...TINY, levels: 4, dropout: 0.5, perceptual: 'random-features', 'lr-every': 1, ema: 0.9 },
  { ...TINY, method: 'cyclegan', protocol: 'native', blocks: 1, 'pool-size': 2 },
  { ...TINY, method: 'mspgan', blocks: 1, layers: 1, heads: 1, 'ramp-steps': 4 },
];

const suite = createSuite<{ folder: string }>('run in memory');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());
suite.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'sonolift-memory-run-'));
});
suite.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

async function onFiles(runFolder: string, options: OptionValues, resume = false): Promise<void> {
  await trainRun({
    gpu,
    configuration: configureTraining({ ...options, 'read-every': 1 }),
    train: PAIRS,
    validation: undefined,
    runFolder,
    weights: undefined,
    resume,
    command: 'test',
    log: () => undefined,
  });
}

/** Trains in memory up to a step and returns the losses and the checkpoint. */
async function inMemory(options: OptionValues, steps: number, from?: Map<string, Uint8Array>) {
  const checkpoint =
    from &&
    (await readCheckpointFiles('memory', async (name) => {
      const bytes = from.get(name);
      if (!bytes) throw new Error(`no ${name}`);
      return bytes;
    }));
  const configuration = configureTraining(options);
  const run = await TrainingRun.open({ gpu, configuration, train: PAIRS, checkpoint });
  try {
    const losses: Record<string, number>[] = [];
    while (run.step < steps) losses.push({ ...(await run.trainStep()).losses });
    return { losses, files: await run.checkpoint() };
  } finally {
    run.dispose();
  }
}

/** The checkpoint folder of a step, as bytes. */
function filesOf(runFolder: string, step: number): Map<string, Uint8Array> {
  const folder = join(runFolder, 'checkpoints', `step-00000${step}`);
  return new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
}

function assertSameFiles(
  found: ReadonlyMap<string, Uint8Array>,
  expected: ReadonlyMap<string, Uint8Array>,
): void {
  assert.equal([...found.keys()].sort(), [...expected.keys()].sort());
  const different = [...expected].filter(
    ([name, bytes]) => !Buffer.from(bytes).equals(found.get(name) ?? Buffer.of()),
  );
  assert.equal(
    different.map(([name]) => name),
    [],
    'files that differ',
  );
}

for (const options of RUNS) {
  suite(`${options.method ?? 'proposed'}: files to the bit, resumed both ways`, async ({
    folder,
  }) => {
    const name = String(options.method ?? 'proposed');
    const [straight, stopped, adopted] = ['straight', 'stopped', 'adopted'].map((kind) =>
      join(folder, `${name}-${kind}`),
    );
    await onFiles(straight, { ...options, steps: STEPS });
    const expected = filesOf(straight, STEPS);
    const log = readLog(join(straight, 'log.jsonl'));
    const whole = await inMemory(options, STEPS);
    whole.losses.forEach((losses, index) => {
      for (const [term, value] of Object.entries(losses)) assert.is(log[index][term], value, term);
    });
    assertSameFiles(whole.files, expected);

    await onFiles(stopped, { ...options, steps: STOP });
    const continued = await inMemory(options, STEPS, filesOf(stopped, STOP));
    assert.equal(continued.losses, whole.losses.slice(STOP));
    assertSameFiles(continued.files, expected);

    const half = await inMemory(options, STOP);
    const target = join(adopted, 'checkpoints', `step-00000${STOP}`);
    mkdirSync(target, { recursive: true });
    for (const [file, bytes] of half.files) writeFileSync(join(target, file), bytes);
    await onFiles(adopted, { ...options, steps: STEPS }, true);
    assertSameFiles(filesOf(adopted, STEPS), expected);
  });
}

suite('steps taken together are the steps, and end with the run', async () => {
  const [options] = RUNS;
  const { losses } = await inMemory(options, STEPS);
  const configuration = configureTraining({ ...options, steps: STEPS });
  const run = await TrainingRun.open({ gpu, configuration, train: PAIRS });
  const first = await run.trainSteps(2);
  const rest = await run.trainSteps(64);
  assert.is(run.isDone, true);
  const found = [...first, ...rest];
  assert.equal(
    found.map(({ step }) => step),
    losses.map((_, index) => index + 1),
  );
  assert.equal(
    found.map((step) => step.losses),
    losses,
  );
  run.dispose();
});

suite('disposed of while something is under way, ends that first and takes no more', async () => {
  const [options] = RUNS;
  const expected = await inMemory(options, STEPS);
  await gpu.flush();
  const before = gpu.memory().liveBuffers;
  const configuration = configureTraining({ ...options, steps: STEPS });
  const stepped = await TrainingRun.open({ gpu, configuration, train: PAIRS });
  const steps = stepped.trainSteps(64);
  stepped.dispose();
  assert.equal(
    (await steps).map(({ losses }) => losses),
    expected.losses,
  );
  const saved = await TrainingRun.open({ gpu, configuration, train: PAIRS });
  await saved.trainSteps(64);
  const files = saved.checkpoint();
  saved.dispose();
  assertSameFiles(await files, expected.files);
  const image = (await PAIRS.load(0)).low;
  const late = [
    saved.trainStep(),
    saved.enhance(image),
    saved.checkpoint(),
    saved.exportGenerator(),
  ];
  for (const result of await Promise.allSettled(late)) {
    assert.is(result.status, 'rejected');
    if (result.status === 'rejected') {
      assert.instance(result.reason, UsageError);
      assert.match(String(result.reason), 'this run was disposed of');
    }
  }
  await gpu.flush();
  assert.is(gpu.memory().liveBuffers, before);
});

suite('a checkpoint of another run and weights of files are refused', async () => {
  const [options] = RUNS;
  const { files } = await inMemory(options, 1);
  const fails = async (other: OptionValues, type: typeof CheckpointError | typeof UsageError) => {
    try {
      await inMemory({ ...options, ...other }, 1, files);
      assert.unreachable();
    } catch (error) {
      assert.instance(error, type);
    }
  };
  await fails({ ngf: 3 }, CheckpointError);
  await fails({ batch: 1 }, CheckpointError);
  await fails({ perceptual: 'vgg' }, CheckpointError);
  await fails({ size: 30 }, UsageError);
  const spoilt = new Map(files);
  spoilt.set('G_H.safetensors', (files.get('G_H.safetensors') ?? new Uint8Array()).slice(8));
  try {
    await inMemory(options, 1, spoilt);
    assert.unreachable();
  } catch (error) {
    assert.instance(error, CheckpointError);
    assert.match((error as Error).message, /G_H.safetensors: damaged/);
  }
});

suite.run();
