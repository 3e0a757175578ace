/** One job of a benchmark, what is missing, other settings, another process; see also the slow test. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { findPairs } from '../../src/data/layout.node.ts';
import { CheckpointError, DataError, UsageError } from '../../src/errors.ts';
import { collectJobs } from '../../src/eval/benchmark/collect.ts';
import { checkSettings, jobPaths, readTrained } from '../../src/eval/benchmark/job-folder.ts';
import { type JobList, listJobs } from '../../src/eval/benchmark/jobs.ts';
import {
  BENCHMARK_PROGRAM,
  type BenchmarkPlan,
  benchmarkPlan,
} from '../../src/eval/benchmark/options.ts';
import { runJob } from '../../src/eval/benchmark/run-job.ts';
import { findScoring, type Scoring } from '../../src/eval/benchmark/scoring.ts';
import { lockFolder } from '../../src/run/folder-lock.ts';
import { parseOptions } from '../../src/run/options.ts';
import { assertOk, assertRefused, runProgram, snapshot } from '../support/program.ts';
import { makeSmallData } from '../support/small-run.ts';

interface Context {
  folder: string;
  data: string;
  words: string[];
  plan: BenchmarkPlan;
  scoring: Scoring;
  list: JobList;
}

const planOf = (words: readonly string[]): BenchmarkPlan =>
  benchmarkPlan(parseOptions(BENCHMARK_PROGRAM, words).values);

const suite = createSuite<Context>('benchmark');
suite.before(async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'sonolift-benchmark-'));
  const data = join(folder, 'data');
  await makeSmallData(data);
  const words = [
    ...['--data', data, '--out', join(folder, 'out'), '--methods', 'pix2pix', '--size', '32'],
    ...['--ngf', '2', '--ndf', '2', '--batch', '2', '--set', 'pix2pix.levels=3'],
    ...['--seeds', '3,4', '--steps', '2'],
  ];
  const plan = planOf(words);
  const [scoring, list] = [await findScoring(plan), await listJobs(plan, findPairs(data))];
  Object.assign(context, { folder, data, words, plan, scoring, list });
});
suite.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

async function refused(
  type: new (message: string) => Error,
  message: RegExp,
  attempt: () => unknown,
): Promise<void> {
  let thrown: unknown;
  try {
    await attempt();
  } catch (error) {
    thrown = error;
  }
  assert.ok(thrown instanceof type && message.test(thrown.message), String(thrown));
}

suite('a job trains and scores, once', async ({ plan, scoring, list }) => {
  const [job] = list.jobs;
  assert.is(job.id, 'fold-0/seed-3/pix2pix');
  const said: string[] = [];
  await runJob(job, { plan, scoring, log: (line) => said.push(line) });
  assert.match(said.join('\n'), /: trained in .*\n.*: scored in /);
  const before = snapshot(job.folder);
  await runJob(job, { plan, scoring, log: (line) => assert.unreachable(line) });
  assert.equal(snapshot(job.folder), before);
  const { done, missing } = await collectJobs(list.jobs, plan, scoring);
  assert.equal(
    done.map(({ trained, scores }) => [trained.step, scores.pairs.length]),
    [[2, 2]],
  );
  assert.equal(
    missing.map(({ job: { id }, state }) => [id, state]),
    [['fold-0/seed-4/pix2pix', 'not begun']],
  );
});

suite('missing jobs are told; tables without them are made on request', async ({ plan, words }) => {
  const results = join(plan.out, 'results');
  const collected = await runProgram('benchmark', [...words, '--collect']);
  assertRefused(collected, 1, /1 of 2 jobs are missing; --partial/);
  assert.match(collected.stdout, 'missing: fold-0/seed-4/pix2pix: not begun');
  assert.not.ok(existsSync(results));
  const partial = await runProgram('benchmark', [...words, '--collect', '--partial']);
  assertOk(partial);
  assert.match(partial.stdout, /^Pix2Pix +\*?\d/m);
  for (const name of ['table1.md', 'table2.tex', 'scores.csv', 'images.csv', 'figure4.png']) {
    assert.ok(existsSync(join(results, name)), name);
  }
  const table = readFileSync(join(results, 'table2.md'), 'utf8');
  assert.match(table, 'Missing jobs: fold-0/seed-4/pix2pix (not begun).');
  assert.match(table, /\| Reference low \| .*not available/);
  assert.match(readFileSync(join(results, 'report.html'), 'utf8'), 'Missing jobs: fold-0/seed-4');
});

suite('what was done with other settings, data or methods is not used', async ({
  plan,
  list: { jobs },
}) => {
  const [job] = jobs;
  assert.ok(await checkSettings(job, plan));
  const asked = (change: object) => () =>
    checkSettings({ ...job, options: { ...job.options, ...change } }, plan);
  await refused(
    UsageError,
    /seed-3.*: was trained with ngf 2, asked for 4; name/,
    asked({ ngf: 4 }),
  );
  // An option that the program gained since: at its default nothing has changed.
  const { settings } = jobPaths(job);
  const text = readFileSync(settings, 'utf8');
  const older = JSON.parse(text);
  older.options.enlarge = undefined;
  // One that it has lost, or that does nothing beside the others, had no effect either.
  older.options['no-effect'] = 7;
  writeFileSync(settings, JSON.stringify(older));
  assert.ok(await asked({ keep: 9 })());
  await refused(UsageError, /with enlarge \(not there\), asked for 1.5/, asked({ enlarge: 1.5 }));
  writeFileSync(settings, text);
  const { steps: _, ...withoutSteps } = job.options;
  await refused(UsageError, /with steps 2, asked for \(none\)/, () =>
    checkSettings({ ...job, options: withoutSteps }, plan),
  );
  await refused(DataError, /was trained on other pairs than .*data holds/, () =>
    checkSettings({ ...job, dataId: 'other' }, plan),
  );
  const other = { ...job, entry: { ...job.entry, method: 'cyclegan' } };
  await refused(UsageError, /is a job of method pix2pix, asked for cyclegan/, () =>
    checkSettings(other, plan),
  );
  await refused(CheckpointError, /step-000002: expected method cyclegan, found pix2pix/, () =>
    readTrained(other),
  );
  rmSync(settings);
  await refused(UsageError, /run: is not of this benchmark/, () => checkSettings(job, plan));
  writeFileSync(settings, text);
});

suite('a job folder that another process has is refused', async ({ plan, scoring, list }) => {
  const [job] = list.jobs;
  const lock = await lockFolder(job.folder);
  await refused(UsageError, /pix2pix: is in use by process \d+/, () =>
    runJob(job, { plan, scoring, log: () => undefined }),
  );
  await lock.release();
});

suite('what cannot be is said before anything is trained', async ({ data, words }) => {
  const pairs = findPairs(data);
  const list = (...more: string[]) => listJobs(planOf([...words, ...more]), pairs);
  await refused(DataError, /expected at least 50 training pairs for the image pool .*found 7/, () =>
    list('--methods', 'cyclegan', '--set', 'cyclegan.blocks=1'),
  );
  await refused(Error, /^pix2pix: --blocks: is not an option of --method pix2pix/, () =>
    list('--set', 'pix2pix.blocks=3'),
  );
  await refused(UsageError, /^--steps 5000: pix2pix ends after 300 epochs of 4 steps/, () =>
    list('--steps', '5000'),
  );
  await refused(DataError, /split "test" is empty/, () =>
    listJobs(planOf(words), pairs.slice(0, 1)),
  );
  await refused(UsageError, /^--lpips vgg: .*--weights/, () =>
    findScoring(planOf([...words, '--lpips', 'vgg'])),
  );
  const small = [...words, '--size', '24', '--weights', data];
  await refused(UsageError, /^--lpips alex: --size 24: expected at least 31/, () =>
    findScoring(planOf([...small, '--lpips', 'alex'])),
  );
  // What was not asked for is left out, and the table says why.
  const { distances, columns } = await findScoring(planOf(small));
  assert.equal(distances, []);
  const [alex] = columns.filter(({ metric }) => metric.name === 'lpips_alex');
  assert.match(alex?.missing ?? '', /^--size 24: expected at least 31/);
});

suite.run();
