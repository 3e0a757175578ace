/**
 * What stands in a job's folder:
 *
 * ```
 * job.json       what was asked for; written first
 * run/           the training run (src/train)
 * trained.json   written when the run has ended well
 * eval/          scores and enhanced images of the held-out pairs (src/eval)
 * output.log     what both programs printed
 * ```
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError, DataError, UsageError } from '../../errors.ts';
import { readFailure, writeFileAtomic } from '../../files.ts';
import { loadCheckpoint } from '../../run/checkpoint.ts';
import type { PairScores } from '../../run/evaluate.ts';
import { defaultOptions, type Job, type TrainOptions } from './jobs.ts';
import type { BenchmarkPlan } from './options.ts';
import { SCORED_HOST_METRICS, type Scoring } from './scoring.ts';

export const jobPaths = ({ folder }: Job) => ({
  settings: join(folder, 'job.json'),
  run: join(folder, 'run'),
  trained: join(folder, 'trained.json'),
  evaluation: join(folder, 'eval'),
  scores: join(folder, 'eval', 'scores.json'),
  log: join(folder, 'output.log'),
});

interface JobSettings {
  readonly method: string;
  readonly data: string;
  readonly options: TrainOptions;
}

/** Scores that a job left, as `src/eval` writes them. */
export interface JobScores {
  readonly step: number;
  readonly adapter: string;
  readonly pairs: readonly PairScores[];
}

/** How the training of a job ended. */
export interface TrainedRun {
  readonly step: number;
  /** Seconds of all steps, as the run logged them. */
  readonly seconds: number;
}

/** Options that say how often to save and print; results do not depend on them. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  ...['checkpoint-every', 'keep', 'read-every', 'resume'],
]);

/** Reads JSON; undefined if there is no such file. */
function readJson(path: string): unknown {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new DataError(`${path}: expected JSON: ${readFailure(cause)}`, { cause });
  }
}

/** Says what a job is, before anything of it is done. */
export async function writeSettings(job: Job): Promise<void> {
  const settings: JobSettings = {
    method: job.entry.method,
    data: job.dataId,
    options: job.options,
  };
  await writeFileAtomic(jobPaths(job).settings, `${JSON.stringify(settings, null, 2)}\n`);
}

/**
 * Checks that what a folder holds, if anything, is this very job.
 * @returns whether the job was begun
 * @throws UsageError naming the first option that differs; DataError for other pairs
 */
export async function checkSettings(job: Job, plan: BenchmarkPlan): Promise<boolean> {
  const { settings, run } = jobPaths(job);
  const found = readJson(settings) as JobSettings | undefined;
  if (found === undefined) {
    if (!existsSync(run)) return false;
    throw new UsageError(`${run}: is not of this benchmark: there is no ${settings}`);
  }
  const advice = 'name another --out, or remove that folder to train anew';
  const { method } = job.entry;
  if (found.method !== method) {
    throw new UsageError(
      `${job.folder}: is a job of method ${found.method}, asked for ${method}; ${advice}`,
    );
  }
  // What is resolved now holds all that has an effect; steps alone have no default to stand there.
  const names = [
    ...Object.keys(job.options),
    ...(job.options.steps === undefined ? ['steps'] : []),
  ];
  const differing = names.filter(
    (name) => !WITHOUT_EFFECT.has(name) && found.options[name] !== job.options[name],
  );
  const isNew = (name: string): boolean => found.options[name] === undefined;
  // An option that the program has gained since then means at its default what was done before.
  const defaults = differing.some(isNew) ? await defaultOptions(plan, job.entry) : {};
  for (const name of differing) {
    const [before, now] = [found.options[name], job.options[name]];
    if (isNew(name) && now === defaults[name]) continue;
    throw new UsageError(
      `${job.folder}: was trained with ${name} ${before ?? '(not there)'}, asked for ${now ?? '(none)'}; ${advice}`,
    );
  }
  if (found.data !== job.dataId) {
    throw new DataError(
      `${job.folder}: was trained on other pairs than ${plan.data} holds; ${advice}`,
    );
  }
  return true;
}

/** Marks the training of a job as done. */
export async function writeTrained(job: Job): Promise<void> {
  const { run, trained } = jobPaths(job);
  const { state } = await loadCheckpoint(run, { only: [] });
  if (state.step !== job.steps) {
    throw new CheckpointError(`${run}: expected step ${job.steps}, found ${state.step}`);
  }
  const record: TrainedRun = { step: state.step, seconds: loggedSeconds(join(run, 'log.jsonl')) };
  await writeFileAtomic(trained, `${JSON.stringify(record)}\n`);
}

function loggedSeconds(path: string): number {
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
  const seconds = lines.map((line) => Number((JSON.parse(line) as { seconds: number }).seconds));
  return Math.round(seconds.reduce((sum, value) => sum + value, 0));
}

/**
 * How the training ended; undefined if it has not.
 * @throws CheckpointError if the run's checkpoint is gone, or of another method
 */
export async function readTrained(job: Job): Promise<TrainedRun | undefined> {
  const { run, trained } = jobPaths(job);
  const record = readJson(trained) as TrainedRun | undefined;
  if (record === undefined) return undefined;
  const { folder, state } = await loadCheckpoint(run, { only: [] });
  if (state.architecture.method !== job.entry.method) {
    throw new CheckpointError(
      `${folder}: expected method ${job.entry.method}, found ${state.architecture.method}`,
    );
  }
  return record;
}

/** The step of the checkpoint that is to be scored. */
async function stepToScore(job: Job, plan: BenchmarkPlan): Promise<number> {
  const { state } = await loadCheckpoint(jobPaths(job).run, { only: [] });
  const best = Object.values(state.best)[0]?.step;
  return plan.select === 'best' && best !== undefined ? best : state.step;
}

/**
 * The scores of a job; undefined if it has not been evaluated, or otherwise than is asked for now
 * (other metrics, another checkpoint), which is to be done again.
 */
export async function readScores(
  job: Job,
  plan: BenchmarkPlan,
  scoring: Scoring,
): Promise<JobScores | undefined> {
  const found = readJson(jobPaths(job).scores) as
    | {
        subject: { step: number; splitSeed: number; size: number; fit: string; adapter: string };
        pairs: readonly PairScores[];
      }
    | undefined;
  if (found === undefined) return undefined;
  const { subject, pairs } = found;
  const metrics = scoring.columns.filter(({ missing }) => missing === undefined);
  const isComplete = metrics.every(({ metric }) =>
    pairs.every((pair) => typeof pair.enhanced[metric.name] === 'number'),
  );
  const isSame =
    isComplete &&
    pairs.length === job.testCount &&
    subject.step === (await stepToScore(job, plan)) &&
    subject.splitSeed === job.fold &&
    subject.size === plan.size &&
    subject.fit === plan.fit;
  return isSame ? { step: subject.step, adapter: subject.adapter, pairs } : undefined;
}

/** Arguments of `src/eval` for a job. */
export function evaluationArguments(job: Job, plan: BenchmarkPlan, scoring: Scoring): string[] {
  const { run, evaluation } = jobPaths(job);
  return [
    ...['--checkpoint', run, '--select', plan.select, '--data', plan.data, '--split', 'test'],
    ...['--split-seed', String(job.fold), '--size', String(plan.size), '--fit', plan.fit],
    ...['--metrics', SCORED_HOST_METRICS.join(',')],
    ...['--perceptual', scoring.distances.join(',') || 'none'],
    ...(plan.weights === undefined ? [] : ['--weights', plan.weights]),
    ...(plan.device === undefined ? [] : ['--device', plan.device]),
    ...['--out', evaluation, '--pictures', '0'],
  ];
}

/** Arguments of `src/train` for a job. */
export function trainingArguments(job: Job, plan: BenchmarkPlan, resume: boolean): string[] {
  const options = Object.entries(job.options).flatMap(([name, value]) =>
    typeof value === 'boolean' ? [] : [`--${name}`, String(value)],
  );
  return [
    ...['--data', plan.data, '--out', jobPaths(job).run, ...options],
    ...(plan.weights === undefined ? [] : ['--weights', plan.weights]),
    ...(plan.device === undefined ? [] : ['--device', plan.device]),
    ...(resume ? ['--resume'] : []),
  ];
}
