/** Training that is stopped by Ctrl-C or killed goes on with --resume as if nothing had happened. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { readLog } from '../../src/train/run-log.ts';
import { assertOk, type Ended, type RunOptions, runProgram, snapshot } from '../support/program.ts';
import { makeSmallData, SMALL_TRAINING } from '../support/small-run.ts';

const STEPS = 24;
/** Killed runs lose what came after their last checkpoint; one an epoch, of four steps. */
const OPTIONS = [
  ...SMALL_TRAINING,
  ...['--steps', STEPS, '--checkpoint-every', 1, '--validate-every', 2, '--keep', 1],
];

interface Context {
  folder: string;
  data: string;
  /** What a run that nothing disturbs leaves behind. */
  expected: ReturnType<typeof remains>;
}

const suite = createSuite<Context>('interrupted training');

suite.before(async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'sonolift-interrupted-'));
  const data = join(folder, 'data');
  Object.assign(context, { folder, data });
  await makeSmallData(data);
  assertOk(await train(data, join(folder, 'straight')));
  context.expected = remains(join(folder, 'straight'));
  assert.is(context.expected.log.length, STEPS);
  assert.ok(context.expected.validation.length > 2);
  const report = readFileSync(join(folder, 'straight', 'report.html'), 'utf8');
  for (const part of [
    /Validation PSNR/,
    /reference low/,
    /1 validation pairs/,
    /data:image\/png/,
  ]) {
    assert.match(report, part);
  }
});
suite.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

function train(
  data: string,
  out: string,
  more: readonly string[] = [],
  options: RunOptions = {},
): Promise<Ended> {
  return runProgram('train', ['--data', data, '--out', out, ...OPTIONS, ...more], options);
}

/** Checkpoints and logs of a run, but for how long things took. */
function remains(run: string) {
  return {
    checkpoints: snapshot(join(run, 'checkpoints')),
    samples: snapshot(join(run, 'samples')),
    log: readLog(join(run, 'log.jsonl')).map(({ seconds: _, ...record }) => record),
    validation: readLog(join(run, 'validation.jsonl')),
  };
}

/** Trains, and sends a signal as soon as so many steps have been logged. */
function trainUntil(
  data: string,
  out: string,
  signal: NodeJS.Signals,
  more: readonly string[],
): Promise<Ended> {
  let sent = false;
  return train(data, out, more, {
    onOutput: (stdout, child) => {
      if (sent || !/^training +\d+\//m.test(stdout)) return;
      sent = true;
      child.kill(signal);
    },
  });
}

suite('Ctrl-C saves, and --resume is identical to the last bit', async ({
  folder,
  data,
  expected,
}) => {
  const run = join(folder, 'stopped');
  const stopped = await trainUntil(data, run, 'SIGINT', []);
  assert.is(stopped.code, 130, stopped.stdout + stopped.stderr);
  assert.is(stopped.stderr, '');
  assert.match(readFileSync(join(run, 'report.html'), 'utf8'), 'Training run');
  assert.match(stopped.stdout, 'stopping after this step; the run can be resumed with --resume');
  const done = readLog(join(run, 'log.jsonl')).length;
  assert.ok(done > 0 && done < STEPS, `stopped after ${done} steps`);
  const resumed = await train(data, run, ['--resume']);
  assertOk(resumed);
  assert.match(resumed.stdout, `step-${String(done).padStart(6, '0')}`);
  assert.equal(remains(run), expected);
});

suite('kill -9 loses the steps since the last checkpoint and nothing else', async ({
  folder,
  data,
  expected,
}) => {
  const run = join(folder, 'killed');
  let resumable = false;
  let kills = 0;
  for (let round = 0; round < 3; round++) {
    // First at once, as a fast machine may be done soon; then anywhere from the first step on.
    const delay = round === 0 ? 0 : Math.floor(Math.random() * 1000);
    const ended = await killAfter(data, run, resumable ? ['--resume'] : [], delay);
    const said = `round ${round}, ${delay} ms after the first step\n${ended.stdout}${ended.stderr}`;
    if (ended.signal === 'SIGKILL') kills++;
    else assert.is(ended.code, 0, said);
    resumable = true;
  }
  assert.ok(kills > 0, 'no kill came before the end');
  assertOk(await train(data, run, ['--resume']));
  assert.equal(remains(run), expected);
});

/** Trains, and kills the program so many milliseconds after it has logged its first step. */
function killAfter(
  data: string,
  out: string,
  more: readonly string[],
  delay: number,
): Promise<Ended> {
  let timer: NodeJS.Timeout | undefined;
  return train(data, out, more, {
    onOutput: (stdout, child) => {
      if (timer || !/^training +\d+\//m.test(stdout)) return;
      timer = setTimeout(() => child.kill('SIGKILL'), delay);
    },
  }).finally(() => clearTimeout(timer));
}

suite.run();
