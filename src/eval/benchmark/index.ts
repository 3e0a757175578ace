import { findPairs } from '../../data/layout.node.ts';
import { SonoliftError, UsageError } from '../../errors.ts';
import { requireWritableFolder } from '../../files.ts';
import { INTERRUPTED_EXIT_CODE } from '../../interruption.ts';
import { plainTable } from '../../report/text-table.ts';
import { runProgram } from '../../run/program.ts';
import { shellWord } from '../../run/shell-word.ts';
import { ChildError, isStopping, stopOnSignals } from './child.ts';
import { collectJobs } from './collect.ts';
import { checkSettings } from './job-folder.ts';
import { type JobList, listJobs } from './jobs.ts';
import { BENCHMARK_PROGRAM, type BenchmarkPlan, benchmarkPlan } from './options.ts';
import { planLines } from './plan-lines.ts';
import { writeResults } from './results.ts';
import { type FailedJob, type JobContext, runJob, runJobs } from './run-job.ts';
import { findScoring, requirePerceptualLosses } from './scoring.ts';

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

await runProgram(BENCHMARK_PROGRAM, async ({ values }) => {
  const plan = benchmarkPlan(values);
  const list = await listJobs(plan, findPairs(plan.data));
  const { jobs } = list;
  if (plan.printPlan) {
    for (const line of planLines(process.argv.slice(2), jobs)) {
      print(line);
    }
    return;
  }
  await requireWritableFolder(plan.out);
  const scoring = await findScoring(plan);
  const context: JobContext = { plan, scoring, log: print };
  if (plan.collect) return collect(list, context);

  await requirePerceptualLosses(plan, jobs);
  for (const { metric, missing } of scoring.columns) {
    if (missing !== undefined) print(`${metric.label} is not available: ${missing}`);
  }
  stopOnSignals(print);
  if (plan.job !== undefined) return runOne(plan.job, list, context);
  for (const job of jobs) await checkSettings(job, plan);
  const failed = await runJobs(jobs, context);
  if (isStopping()) throw new ChildError('SonoliftError', INTERRUPTED_EXIT_CODE, 'interrupted');
  reportFailures(failed);
  await collect(list, context);
});

async function runOne(id: string, { jobs }: JobList, context: JobContext): Promise<void> {
  const job = jobs.find((each) => each.id === id);
  if (!job) {
    const known = jobs.map((each) => each.id);
    throw new UsageError(`--job: expected one of ${known.join(', ')}, found ${id}`);
  }
  await runJob(job, context);
}

/** @throws the first failure's error, told with the names of all that failed */
function reportFailures(failed: readonly FailedJob[]): void {
  const [first] = failed;
  if (!first) return;
  const names = failed.map(({ job }) => job.id).join(', ');
  throw new ChildError(
    first.error.name,
    first.error.exitCode,
    `${failed.length} of the jobs failed: ${names}; first: ${first.error.message}; run the same command again to go on, or add --collect --partial for the tables without them`,
  );
}

async function collect(list: JobList, context: JobContext): Promise<void> {
  const { plan, scoring } = context;
  const { jobs } = list;
  const collection = await collectJobs(jobs, plan, scoring);
  const { done, missing } = collection;
  for (const { job, state } of missing) print(`missing: ${job.id}: ${state}`);
  print(`${done.length} of ${jobs.length} jobs are done`);
  requireComplete(missing.length, jobs.length, plan);
  const command = [BENCHMARK_PROGRAM.command, ...process.argv.slice(2).map(shellWord)].join(' ');
  const { folder, table } = await writeResults({ plan, list, scoring, collection, command });
  print(`\n${plainTable(table)}`);
  print(`wrote ${folder}: tables, figures, report.html`);
}

/** @throws SonoliftError if jobs are missing that have to be there */
function requireComplete(missing: number, all: number, plan: BenchmarkPlan): void {
  if (missing === all) {
    throw new SonoliftError(`${plan.out}: none of ${all} jobs is done`);
  }
  if (missing > 0 && !plan.partial) {
    throw new SonoliftError(
      `${plan.out}: ${missing} of ${all} jobs are missing; --partial makes the tables without them`,
    );
  }
}
