import { appendFileSync } from 'node:fs';
import { SonoliftError } from '../../errors.ts';
import { formatDuration } from '../../report/format.ts';
import { holdsCheckpoints } from '../../run/checkpoint.ts';
import { type FolderLock, lockFolder } from '../../run/folder-lock.ts';
import { type ChildProgram, childError, isStopping, runChild } from './child.ts';
import {
  checkSettings,
  evaluationArguments,
  jobPaths,
  readScores,
  readTrained,
  trainingArguments,
  writeSettings,
  writeTrained,
} from './job-folder.ts';
import type { Job } from './jobs.ts';
import type { BenchmarkPlan } from './options.ts';
import type { Scoring } from './scoring.ts';

/** What a job is done with. */
export interface JobContext {
  readonly plan: BenchmarkPlan;
  readonly scoring: Scoring;
  readonly log: (line: string) => void;
}

/** A job that failed; others go on. */
export interface FailedJob {
  readonly job: Job;
  readonly error: SonoliftError;
}

/**
 * Does what is missing of a job: trains, going on from its newest checkpoint if it has one, then
 * scores. Holds the job's folder meanwhile.
 * @throws UsageError if another process has the folder, or it was begun with other settings;
 * the error of the child that failed
 */
export async function runJob(job: Job, context: JobContext): Promise<void> {
  const { plan, scoring, log } = context;
  const lock = await lockFolder(job.folder);
  try {
    if (!(await checkSettings(job, plan))) await writeSettings(job);
    const { run, log: file } = jobPaths(job);
    if ((await readTrained(job)) === undefined) {
      const resume = await holdsCheckpoints(run);
      log(`${job.id}: ${resume ? 'going on with training' : 'training'}, output in ${file}`);
      await runStage('train', trainingArguments(job, plan, resume), job, context, lock);
      await writeTrained(job);
    }
    if ((await readScores(job, plan, scoring)) === undefined) {
      await runStage('eval', evaluationArguments(job, plan, scoring), job, context, lock);
    }
  } finally {
    await lock.release();
  }
}

async function runStage(
  program: ChildProgram,
  args: readonly string[],
  job: Job,
  { log }: JobContext,
  lock: FolderLock,
): Promise<void> {
  const started = performance.now();
  const file = jobPaths(job).log;
  const what = program === 'train' ? 'trained' : 'scored';
  appendFileSync(file, `\n[${new Date().toISOString()}] src/${program} ${args.join(' ')}\n`);
  const ended = await runChild(program, args, { log: file, onStart: (pid) => lock.addChild(pid) });
  if (ended.code !== 0) throw childError(`${job.id}: ${program}`, ended);
  log(`${job.id}: ${what} in ${formatDuration((performance.now() - started) / 1000)}`);
}

/**
 * Does all jobs, one after the other. One that fails does not keep the others from being done.
 * @returns those that failed
 */
export async function runJobs(jobs: readonly Job[], context: JobContext): Promise<FailedJob[]> {
  const failed: FailedJob[] = [];
  for (const [index, job] of jobs.entries()) {
    if (isStopping()) break;
    context.log(`job ${index + 1} of ${jobs.length}: ${job.id}`);
    try {
      await runJob(job, context);
    } catch (error) {
      if (!(error instanceof SonoliftError)) throw error;
      if (isStopping()) break;
      context.log(`${job.id} failed: ${error.message}`);
      failed.push({ job, error });
    }
  }
  return failed;
}
