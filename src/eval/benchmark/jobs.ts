import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { PairFiles } from '../../data/layout.node.ts';
import { requireSplit, type Split, splitPairs } from '../../data/split.ts';
import { DataError, UsageError } from '../../errors.ts';
import { findMethod, METHODS } from '../../methods/methods.ts';
import { childError, runChild } from './child.ts';
import type { BenchmarkPlan, Entry } from './options.ts';

export type TrainOptions = Readonly<Record<string, string | number | boolean>>;

/** One system, seed and split: a training run and its evaluation in a folder of its own. */
export interface Job {
  /** `fold-F/seed-S/SYSTEM`. */
  readonly id: string;
  readonly entry: Entry;
  readonly seed: number;
  readonly fold: number;
  readonly folder: string;
  /** Every option of the training run, resolved. */
  readonly options: TrainOptions;
  /** At which step it is done. */
  readonly steps: number;
  /** What tells the pairs from others: their names, hashed. */
  readonly dataId: string;
  /** Held-out pairs. */
  readonly testCount: number;
}

/** All jobs of a benchmark and what they share. */
export interface JobList {
  readonly jobs: readonly Job[];
  readonly pairs: readonly PairFiles[];
  readonly splits: ReadonlyMap<number, Split>;
}

/**
 * The jobs of a plan: folds, then seeds, then systems, so that every system is there after the first
 * round.
 * @throws UsageError for an option that a system does not have, or that leaves it short of the budget;
 * DataError for too few pairs to split or to fill an image pool
 */
export async function listJobs(plan: BenchmarkPlan, pairs: readonly PairFiles[]): Promise<JobList> {
  requireUsedSettings(plan);
  const resolved = await Promise.all(plan.entries.map((entry) => resolveOptions(plan, entry)));
  const splits = new Map(plan.folds.map((fold) => [fold, splitPairs(pairs, fold)]));
  const dataId = nameHash(pairs);
  const jobs: Job[] = [];
  for (const [fold, split] of splits) {
    const trainCount = requireSplit(split, 'train', plan.data).length;
    const testCount = requireSplit(split, 'test', plan.data).length;
    for (const seed of plan.seeds) {
      plan.entries.forEach((entry, index) => {
        const options = { ...resolved[index], seed, 'split-seed': fold };
        const id = `fold-${fold}/seed-${seed}/${entry.id}`;
        requirePool(entry, options, trainCount, plan.data);
        jobs.push({
          ...{ id, entry, seed, fold, options, dataId, testCount },
          folder: join(plan.out, 'jobs', ...id.split('/')),
          steps: budgetOf(entry, options, trainCount),
        });
      });
    }
  }
  return { jobs, pairs, splits };
}

function nameHash(pairs: readonly PairFiles[]): string {
  const names = pairs.map(({ organ, name }) => `${organ}/${name}`).join('\n');
  return createHash('sha256').update(names).digest('hex').slice(0, 16);
}

/** The training options that a system gets before the program adds its defaults. */
export function optionArguments(plan: BenchmarkPlan, entry: Entry): string[] {
  const own = findMethod(entry.method)?.defaults(plan.protocol, plan.size) ?? {};
  const has = (name: string): boolean => Object.hasOwn(own, name);
  const chosen = new Map<string, string | number | undefined>([
    ['method', entry.method],
    ['protocol', plan.protocol],
    ['size', plan.size],
    ['fit', plan.fit],
    ['steps', plan.steps],
    ['epochs', plan.epochs],
    ['batch', plan.batch],
    ['ngf', has('ngf') ? plan.ngf : undefined],
    ['ndf', has('ndf') ? plan.ndf : undefined],
    ['perceptual', has('lambda-perceptual') ? plan.perceptual : undefined],
  ]);
  for (const [name, value] of plan.settings.get('all') ?? []) {
    if (has(name) || !isOfMethods(name, plan)) chosen.set(name, value);
  }
  for (const target of new Set([entry.method, entry.id])) {
    for (const [name, value] of plan.settings.get(target) ?? []) chosen.set(name, value);
  }
  return [...chosen].flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, String(value)],
  );
}

/** Whether an option is one of some methods only, not of every training run. */
function isOfMethods(name: string, plan: BenchmarkPlan): boolean {
  return METHODS.some(({ defaults }) => Object.hasOwn(defaults(plan.protocol, plan.size), name));
}

/** @throws UsageError for a setting of all systems that none of them has */
function requireUsedSettings(plan: BenchmarkPlan): void {
  for (const name of plan.settings.get('all')?.keys() ?? []) {
    const isUsed = plan.entries.some((entry) => optionArguments(plan, entry).includes(`--${name}`));
    if (!isUsed) throw new UsageError(`--set all.${name}: none of the systems has the option`);
  }
}

/** Asks the training program what an entry's options come to. */
function resolveOptions(plan: BenchmarkPlan, entry: Entry): Promise<TrainOptions> {
  return printedOptions(entry, optionArguments(plan, entry));
}

/** The options of an entry's method where nothing is set. */
export function defaultOptions(plan: BenchmarkPlan, entry: Entry): Promise<TrainOptions> {
  const { protocol, size } = plan;
  return printedOptions(entry, [
    ...['--method', entry.method, '--protocol', protocol, '--size', String(size)],
  ]);
}

async function printedOptions(entry: Entry, words: readonly string[]): Promise<TrainOptions> {
  const ended = await runChild('train', ['--print-config', ...words]);
  if (ended.code !== 0) throw childError(entry.id, ended);
  return JSON.parse(ended.stdout) as TrainOptions;
}

/** @throws UsageError if the epochs end before the steps asked for */
function budgetOf(entry: Entry, options: TrainOptions, trainCount: number): number {
  const inEpoch = Math.ceil(trainCount / Number(options.batch));
  const total = Number(options.epochs) * inEpoch;
  if (options.steps === undefined) return total;
  const steps = Number(options.steps);
  if (steps > total) {
    throw new UsageError(
      `--steps ${steps}: ${entry.id} ends after ${options.epochs} epochs of ${inEpoch} steps; raise --epochs too`,
    );
  }
  return steps;
}

/** @throws DataError if a pool of earlier fakes could not be filled from the training pairs */
function requirePool(
  entry: Entry,
  options: TrainOptions,
  trainCount: number,
  origin: string,
): void {
  // RegGAN's headline mode has the option and no pool.
  const size = options.mode === 'NC+R' ? 0 : Number(options['pool-size'] ?? 0);
  if (size > trainCount) {
    throw new DataError(
      `${origin}: expected at least ${size} training pairs for the image pool of ${entry.id}, found ${trainCount}; give more pairs or --set ${entry.id}.pool-size=${trainCount}`,
    );
  }
}
