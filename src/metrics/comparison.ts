import type { RandomStream } from '../autograd/philox.ts';
import { type Metric, metricNamed } from './metrics.ts';
import {
  bootstrapInterval,
  type Interval,
  mean,
  rankBiserial,
  type Summary,
  summarise,
} from './statistics.ts';
import { improvements, type WilcoxonResult, wilcoxon } from './wilcoxon.ts';

/** How a model does on one metric beside a baseline, over the same images. */
export interface Comparison {
  readonly metric: Metric;
  readonly baseline: Summary;
  readonly model: Summary;
  /** Mean over images of the improvement, positive when the model is better. */
  readonly improvement: number;
  /** 95% bootstrap confidence interval of the mean improvement. */
  readonly improvementInterval: Interval;
  /** Images on which the model is strictly better. */
  readonly improvedCount: number;
  /** One-sided Wilcoxon signed rank test that the model improves. */
  readonly test: WilcoxonResult;
  /** Matched-pairs rank-biserial correlation, -1 to 1. */
  readonly effect: number;
}

/**
 * Compares per-image scores of a model with those of a baseline ("reference low" scores the
 * unenhanced images) on the same images in the same order.
 *
 * @throws UsageError of an unknown metric, ShapeError of lists that are empty or differ in length,
 *   NumericalError of a score that is not finite
 */
export function compareScores(
  metricName: string,
  baseline: ArrayLike<number>,
  model: ArrayLike<number>,
  random: RandomStream,
): Comparison {
  const metric = metricNamed(metricName);
  const gains = improvements(model, baseline, metric.direction);
  return {
    metric,
    test: wilcoxon(gains),
    baseline: summarise(baseline, random),
    model: summarise(model, random),
    improvement: mean(gains),
    improvementInterval: bootstrapInterval(gains, { random }),
    improvedCount: gains.filter((gain) => gain > 0).length,
    effect: rankBiserial(gains),
  };
}

/** Whether the model's mean score is better than the baseline's. */
export type Verdict = 'better' | 'worse' | 'equal';

/** The outcome in one word, by the mean improvement. */
export function verdict(comparison: Comparison): Verdict {
  if (comparison.improvement > 0) return 'better';
  return comparison.improvement < 0 ? 'worse' : 'equal';
}

/** Whether the confidence interval of the improvement leaves its sign open. */
export function isUncertain(comparison: Comparison): boolean {
  const { low, high } = comparison.improvementInterval;
  return low <= 0 && high >= 0;
}
