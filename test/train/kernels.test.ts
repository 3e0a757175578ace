/** A run's kernels: chosen before its first step, recorded, and kept when it is resumed. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AdapterProfile } from '../../kernels/kernel.ts';
import { surveyProgram } from '../../src/autograd/tuning/survey.ts';
import { tuneConvolutions } from '../../src/autograd/tuning/tune.ts';
import { CheckpointError } from '../../src/errors.ts';
import { Gpu, type GpuOptions } from '../../src/gpu/gpu.ts';
import { memoryTuningStore } from '../../src/gpu/tuning/memory-store.ts';
import type { TuningStore } from '../../src/gpu/tuning/records.ts';
import { openNodeGpu } from '../../src/node.ts';
import { loadCheckpoint } from '../../src/run/checkpoint.ts';
import { parseOptions } from '../../src/run/options.ts';
import { TRAIN_PROGRAM, trainConfiguration } from '../../src/train/configuration.ts';
import { recordStep } from '../../src/train/kernels.ts';
import { trainRun } from '../../src/train/train-run.ts';
import { simulatedPairs } from '../support/simulated-pairs.ts';

const STEPS = 4;

const suite = createSuite<{ folder: string }>('kernels of a run');
const opened = await openNodeGpu();
suite.after(() => opened.close());
suite.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'sonolift-kernels-'));
});
suite.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

const PAIRS = simulatedPairs(3, 4, 32);

const made: Gpu[] = [];
suite.after.each(() => {
  for (const gpu of made.splice(0)) gpu.close();
});

function gpuWith(options: GpuOptions, profile: Partial<AdapterProfile> = {}): Gpu {
  const { device, keepAlive, identity } = opened;
  const same = { keepAlive, identity, ownsDevice: false };
  const gpu = new Gpu(device, { ...opened.profile, ...profile }, { ...same, ...options });
  made.push(gpu);
  return gpu;
}

function configuration(steps: number) {
  const argv = [
    ...['--data', 'simulated', '--out', 'runs', '--size', 24, '--levels', 3, '--ngf', 4],
    ...['--ndf', 2, '--batch', 1, '--epochs', 9, '--steps', steps, '--perceptual', 'none'],
  ].map(String);
  return trainConfiguration(parseOptions(TRAIN_PROGRAM, argv).values);
}

const record = (gpu: Gpu): void => recordStep(gpu, configuration(STEPS), undefined);

interface Measured {
  readonly store: TuningStore;
  /** The variant found fastest, by class. */
  readonly chosen: Readonly<Record<string, string>>;
}

/** Every class measured, and the default, or for most another variant, found fastest. */
async function measured(which: 'default' | 'other'): Promise<Measured> {
  const store = memoryTuningStore();
  const gpu = gpuWith({ tune: 'on', tuningStore: store });
  let samples = 0;
  await tuneConvolutions(gpu, record, {
    log: () => undefined,
    // What is measured is made up; a slow machine must not end it early.
    budget: 600_000,
    stopwatch: async () => (which === 'other' && samples++ % 2 ? 1 : 100),
  });
  return { store, chosen: gpu.choices.toJSON() };
}

const log: string[] = [];

function train(gpu: Gpu, runFolder: string, steps: number, resume = false) {
  return trainRun({
    gpu,
    configuration: configuration(steps),
    train: PAIRS,
    validation: undefined,
    runFolder,
    weights: undefined,
    resume,
    command: 'test',
    log: (line) => log.push(line),
  });
}

async function tensorsOf(runFolder: string): Promise<Map<string, Buffer>> {
  const { files } = await loadCheckpoint(runFolder);
  const tensors = new Map<string, Buffer>();
  for (const [file, content] of Object.entries(files)) {
    for (const [name, { data }] of content) {
      const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      tensors.set(`${file}/${name}`, bytes);
    }
  }
  return tensors;
}

async function isIdentical(one: string, other: string): Promise<boolean> {
  const expected = await tensorsOf(other);
  return [...(await tensorsOf(one))].every(([name, bytes]) =>
    bytes.equals(expected.get(name) ?? Buffer.of()),
  );
}

suite('a run goes on with the kernels that it began with, whatever the cache says', async ({
  folder,
}) => {
  const [plain, straight, resumed] = ['plain', 'straight', 'resumed'].map((n) => join(folder, n));
  const others = await measured('other');
  await train(gpuWith({}), plain, STEPS);
  await train(gpuWith({ tune: 'on', tuningStore: others.store }), straight, STEPS);
  assert.not(await isIdentical(plain, straight), 'other kernels round otherwise');

  const classes = [...surveyProgram(opened, record)].filter(([, c]) => c.variants.length > 1);
  const { extra } = (await loadCheckpoint(straight)).state;
  const expected = others.chosen;
  assert.equal(Object.keys(expected).sort(), classes.map(([name]) => name).sort());
  assert.ok(classes.some(([name, c]) => expected[name] !== c.variants[0]));
  assert.equal(extra?.kernels, expected);
  const { kernels } = JSON.parse(readFileSync(join(straight, 'config.json'), 'utf8'));
  assert.equal(kernels, expected);

  await train(gpuWith({ tune: 'on', tuningStore: others.store }), resumed, STEPS / 2);
  const changed = gpuWith({ tune: 'on', tuningStore: (await measured('default')).store });
  await train(changed, resumed, STEPS, true);
  assert.ok(log.includes('kernels: those that the run recorded'));
  assert.ok(await isIdentical(resumed, straight));
});

suite('a run without recorded kernels goes on with the defaults', async ({ folder }) => {
  const [plain, resumed] = ['plain', 'plain-resumed'].map((name) => join(folder, name));
  await train(gpuWith({}), resumed, STEPS / 2);
  const tuned = gpuWith({ tune: 'force', tuningStore: (await measured('other')).store });
  await train(tuned, resumed, STEPS, true);
  assert.equal(tuned.choices.toJSON(), {});
  assert.ok(await isIdentical(resumed, plain));
});

suite('an adapter that lacks a recorded kernel does not go on', async ({ folder }) => {
  const without = gpuWith({}, { subgroupSize: 0 });
  const failure = await train(without, join(folder, 'straight'), STEPS + 1, true).then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.instance(failure, CheckpointError);
  assert.match(
    String(failure),
    /step-000004: the run was made with kernel '(winograd|small-maps)' for '/,
  );
});

suite.run();
