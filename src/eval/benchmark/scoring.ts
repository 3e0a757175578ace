import { DataError, SonoliftError, UsageError } from '../../errors.ts';
import { type MetricDescription, metricNamed } from '../../metrics/metrics.ts';
import { readPerceptual } from '../../run/perceptual.ts';
import type { Job } from './jobs.ts';
import type { BenchmarkPlan } from './options.ts';

/** A column of Table 2. */
export interface ScoreColumn {
  readonly metric: MetricDescription;
  /** Why the metric was not computed; undefined where it was. */
  readonly missing: string | undefined;
}

/** The paper's columns, and beyond them the centred LNCC. */
const HOST_COLUMNS = ['lncc_paper', 'lncc', 'ssim', 'psnr'] as const;
/** LPIPS is named by its trunk. */
const LPIPS_COLUMNS = ['vgg', 'alex', 'squeeze'] as const;

/** `lpips_vgg` of `vgg`; `random_features` of `random-features`. */
function distanceMetric(name: string): string {
  return name === 'random-features' ? 'random_features' : `lpips_${name}`;
}

/** Host metrics that every evaluation computes. */
export const SCORED_HOST_METRICS: readonly string[] = HOST_COLUMNS;

/** What is scored with: the distances to ask `src/eval` for, and every column of the table. */
export interface Scoring {
  readonly distances: readonly string[];
  readonly columns: readonly ScoreColumn[];
}

/**
 * Finds out which distances can be computed. Those asked for must be; LPIPS columns that are not
 * computed stay in the table with the reason.
 * @throws UsageError or DataError naming the weights that a distance asked for lacks
 */
export async function findScoring(plan: BenchmarkPlan): Promise<Scoring> {
  const asked = plan.scoring;
  const reasons = new Map<string, string>();
  const distances: string[] = [];
  const names = new Set<string>([...LPIPS_COLUMNS, ...(asked ?? [])]);
  for (const name of names) {
    if (asked !== undefined && !asked.includes(name)) {
      reasons.set(name, 'not asked for by --lpips');
    } else if (asked === undefined && plan.weights === undefined) {
      reasons.set(name, 'no --weights');
    } else {
      try {
        await readPerceptual(name, plan.weights, plan.size);
        distances.push(name);
      } catch (error) {
        if (asked !== undefined) throw about(`--lpips ${name}`, error);
        if (!(error instanceof SonoliftError)) throw error;
        // Where the weights lie is no matter of the table.
        reasons.set(name, error.message.replaceAll(`${plan.weights}/`, ''));
      }
    }
  }
  const columns = [
    ...HOST_COLUMNS.map((name): ScoreColumn => ({ metric: metricNamed(name), missing: undefined })),
    ...[...names].map(
      (name): ScoreColumn => ({
        metric: metricNamed(distanceMetric(name)),
        missing: reasons.get(name),
      }),
    ),
  ];
  return { distances, columns };
}

/**
 * Checks that the perceptual losses that systems train with can be had.
 * @throws UsageError or DataError naming the system and the weights that are missing
 */
export async function requirePerceptualLosses(
  plan: BenchmarkPlan,
  jobs: readonly Job[],
): Promise<void> {
  const losses = new Map(jobs.map(({ entry, options }) => [String(options.perceptual), entry.id]));
  for (const [name, id] of losses) {
    try {
      await readPerceptual(name, plan.weights, plan.size);
    } catch (error) {
      throw about(id, error);
    }
  }
}

/** The error with what it is about before its message. */
function about(what: string, error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const message = `${what}: ${error.message}`;
  if (error instanceof UsageError) return new UsageError(message, { cause: error });
  return error instanceof DataError ? new DataError(message, { cause: error }) : error;
}
