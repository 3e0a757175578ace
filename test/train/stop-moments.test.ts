/** Ctrl-C at the first and at the last moment of a run: resumed, it comes to what a straight run does. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { openNodeGpu } from '../../src/node.ts';
import { loadCheckpoint } from '../../src/run/checkpoint.ts';
import { parseOptions } from '../../src/run/options.ts';
import { TRAIN_PROGRAM, trainConfiguration } from '../../src/train/configuration.ts';
import { readLog } from '../../src/train/run-log.ts';
import { trainRun } from '../../src/train/train-run.ts';
import type { TrainEvents } from '../../src/train/trainer.ts';
import { simulatedPairs } from '../support/simulated-pairs.ts';
import { SMALL_TRAINING } from '../support/small-run.ts';

interface Context {
  folder: string;
  /** A run that nothing disturbs, and what it leaves behind. */
  straight: string;
  expected: Awaited<ReturnType<typeof remains>>;
}

/** Three batches an epoch: the last step lies within one. */
const STEPS = 4;
const PAIRS = simulatedPairs(3, 6, 32);
const VALIDATION = simulatedPairs(4, 1, 32);

const suite = createSuite<Context>('moments of a stop');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());
suite.before(async (context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'sonolift-moments-'));
  context.straight = join(context.folder, 'straight');
  await train(context.straight);
  context.expected = await remains(context.straight);
  assert.is(context.expected.validation.at(-1)?.step, STEPS);
});
suite.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

function train(runFolder: string, events: TrainEvents = {}, resume = false) {
  const argv = ['--data', 'none', '--out', runFolder, '--steps', STEPS, ...SMALL_TRAINING];
  return trainRun({
    gpu,
    configuration: trainConfiguration(parseOptions(TRAIN_PROGRAM, argv.map(String)).values),
    train: PAIRS,
    validation: VALIDATION,
    runFolder,
    weights: undefined,
    resume,
    command: 'test',
    events,
    log: () => undefined,
  });
}

/** Where a run ended, what it selected, and what its validations said. */
async function remains(runFolder: string) {
  const { state } = await loadCheckpoint(runFolder);
  const { step, best } = state;
  return { step, best, validation: readLog(join(runFolder, 'validation.jsonl')) };
}

/** Interrupts at the n-th time that the trainer asks. */
function interruptAt(n: number): TrainEvents {
  let asked = 0;
  return { isInterrupted: () => ++asked >= n };
}

suite('before the first step nothing is scored', async ({ folder, expected }) => {
  const run = join(folder, 'first');
  // Asked once before the epoch, and again when its first batch has been read.
  await train(run, interruptAt(2));
  assert.equal(await remains(run), { step: 0, best: {}, validation: [] });
  await train(run, {}, true);
  assert.equal(await remains(run), expected);
});

suite('during the last step: the model that scoring selects is saved as such', async ({
  folder,
  expected,
}) => {
  const run = join(folder, 'last');
  let done = 0;
  await train(run, {
    onSteps: (records) => {
      done += records.length;
    },
    isInterrupted: () => done === STEPS,
  });
  assert.is((await remains(run)).validation.at(-1)?.step, 3);
  await train(run, {}, true);
  assert.equal(await remains(run), expected);
});

suite('resumed at its end, a run keeps the report with its scores and pictures', async ({
  straight,
}) => {
  const path = join(straight, 'report.html');
  const report = readFileSync(path, 'utf8');
  assert.match(report, /1 validation pairs/);
  await train(straight, {}, true);
  assert.ok(readFileSync(path, 'utf8') === report, 'the report has changed');
  // Without one, it is made.
  rmSync(path);
  await train(straight, {}, true);
  assert.match(readFileSync(path, 'utf8'), /Training run/);
  writeFileSync(path, report);
});

suite.run();
