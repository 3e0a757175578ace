/** Several systems on the same images: the numbers of a table like the paper's Table 2. */
import { RandomStream } from '../autograd/philox.ts';
import { ShapeError, UsageError } from '../errors.ts';
import { type Comparison, compareScores } from './comparison.ts';
import { isBetter, metricNamed } from './metrics.ts';
import { type Summary, summarise } from './statistics.ts';

/** A system's scores, one number an image, by metric; images in the same order for all systems. */
export interface SystemScores {
  readonly id: string;
  readonly label: string;
  readonly scores: Readonly<Record<string, readonly number[]>>;
}

/** One cell of the table. */
export interface RankedCell {
  readonly summary: Summary;
  /** Whether no other system has a better mean. */
  readonly isBest: boolean;
  /** The main system against this one; undefined for the main system itself. */
  readonly comparison: Comparison | undefined;
}

/** One row of the table. */
export interface RankedRow {
  readonly id: string;
  readonly label: string;
  /** By metric. */
  readonly cells: Readonly<Record<string, RankedCell>>;
}

/**
 * Ranks systems by the mean of each metric, and tests whether the main one is better than each other
 * on the same images: one-sided Wilcoxon signed rank test, rank-biserial correlation, bootstrap interval
 * of the mean difference (`compareScores`). There is no correction for the number of tests.
 *
 * @param main id of the system that the others are compared with
 * @throws UsageError of an unknown main system or metric; ShapeError of no image or of lists that differ
 *   in length; NumericalError of a score that is not finite
 */
export function rankSystems(
  systems: readonly SystemScores[],
  metrics: readonly string[],
  main: string,
): RankedRow[] {
  const chosen = systems.find(({ id }) => id === main);
  if (!chosen) throw new UsageError(`ranking: expected a system ${main}, found none`);
  const means = new Map(
    metrics.map((name) => [name, systems.map((system) => meanOf(scoresOf(system, name)))]),
  );
  return systems.map((system, index) => ({
    id: system.id,
    label: system.label,
    cells: Object.fromEntries(
      metrics.map((name): [string, RankedCell] => {
        const scores = scoresOf(system, name);
        const { direction } = metricNamed(name);
        const random = (what: string) =>
          new RandomStream(0, `ranking:${what}:${name}:${system.id}`);
        const all = means.get(name) ?? [];
        return [
          name,
          {
            summary: summarise(scores, random('summary')),
            isBest: !all.some((other) => isBetter(direction, other, all[index])),
            comparison:
              system === chosen
                ? undefined
                : compareScores(name, scores, scoresOf(chosen, name), random('comparison')),
          },
        ];
      }),
    ),
  }));
}

function scoresOf({ id, scores }: SystemScores, metric: string): readonly number[] {
  const found = scores[metric];
  if (!found?.length) throw new ShapeError(`ranking: ${id} has no scores of ${metric}`);
  return found;
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
