import type { RandomStream } from '../autograd/philox.ts';
import { ShapeError } from '../errors.ts';
import { averageRanks } from './ranks.ts';

function requireValues(name: string, values: ArrayLike<number>, least: number): void {
  if (values.length < least) {
    throw new ShapeError(`${name}: expected at least ${least} values, found ${values.length}`);
  }
}

/**
 * Arithmetic mean.
 * @throws ShapeError of an empty list
 */
export function mean(values: ArrayLike<number>): number {
  requireValues('mean', values, 1);
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] as number;
  return sum / values.length;
}

/**
 * Sample standard deviation, √(Σ(x - mean)² / (n - 1)).
 * @throws ShapeError of fewer than two values
 */
export function standardDeviation(values: ArrayLike<number>): number {
  requireValues('standard deviation', values, 2);
  const centre = mean(values);
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += ((values[i] as number) - centre) ** 2;
  return Math.sqrt(sum / (values.length - 1));
}

/**
 * Quantile with linear interpolation between order statistics (NumPy's default).
 * @param fraction 0 to 1
 * @returns NaN when a value is NaN
 * @throws ShapeError of an empty list, RangeError of a fraction outside [0, 1]
 */
export function quantile(values: ArrayLike<number>, fraction: number): number {
  requireValues('quantile', values, 1);
  if (!(fraction >= 0 && fraction <= 1)) {
    throw new RangeError(`quantile: fraction must be in [0, 1], found ${fraction}`);
  }
  const sorted = Float64Array.from(values).sort();
  // NaN sorts last in a typed array.
  if (Number.isNaN(sorted[sorted.length - 1])) return Number.NaN;
  const position = fraction * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below] as number;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] as number;
  return low + (position - below) * (high - low);
}

/**
 * Median.
 * @throws ShapeError of an empty list
 */
export function median(values: ArrayLike<number>): number {
  return quantile(values, 0.5);
}

export interface Interval {
  readonly low: number;
  readonly high: number;
}

export interface BootstrapOptions {
  /** Source of the resamples; a seeded stream gives the same interval again. */
  readonly random: RandomStream;
  /** Default 0.95. */
  readonly confidence?: number;
  /** Default 2000. */
  readonly resamples?: number;
  /** What is estimated. Default: the mean. */
  readonly statistic?: (values: Float64Array) => number;
}

/**
 * Percentile bootstrap confidence interval (Efron 1979): the statistic of samples drawn with
 * replacement, cut at both tails.
 *
 * @throws ShapeError of an empty list, RangeError of an option out of range
 */
export function bootstrapInterval(values: ArrayLike<number>, options: BootstrapOptions): Interval {
  const { random, confidence = 0.95, resamples = 2000, statistic = mean } = options;
  requireValues('bootstrap', values, 1);
  if (!(confidence > 0 && confidence < 1)) {
    throw new RangeError(`bootstrap: confidence must be in (0, 1), found ${confidence}`);
  }
  if (!Number.isInteger(resamples) || resamples < 1) {
    throw new RangeError(
      `bootstrap: resamples must be a positive whole number, found ${resamples}`,
    );
  }
  const n = values.length;
  const sample = new Float64Array(n);
  const estimates = new Float64Array(resamples);
  for (let r = 0; r < resamples; r++) {
    for (let i = 0; i < n; i++) sample[i] = values[random.integer(n)] as number;
    estimates[r] = statistic(sample);
  }
  const tail = (1 - confidence) / 2;
  return { low: quantile(estimates, tail), high: quantile(estimates, 1 - tail) };
}

/**
 * Matched-pairs rank-biserial correlation, the effect size of the Wilcoxon signed rank test:
 * (W⁺ - W⁻) / (W⁺ + W⁻) over non-zero differences (Kerby 2014).
 *
 * @returns 1 when every pair improves, -1 when every pair worsens, 0 when nothing differs
 */
export function rankBiserial(differences: ArrayLike<number>): number {
  const nonZero = Float64Array.from(differences).filter((d) => d !== 0);
  const { ranks } = averageRanks(nonZero.map(Math.abs));
  let signed = 0;
  let total = 0;
  ranks.forEach((rank, i) => {
    signed += Math.sign(nonZero[i] as number) * rank;
    total += rank;
  });
  return total === 0 ? 0 : signed / total;
}

/** Centre and spread of one system's scores over the images of a test set. */
export interface Summary {
  readonly count: number;
  readonly mean: number;
  /** NaN for a single image. */
  readonly standardDeviation: number;
  readonly median: number;
  /** 95% bootstrap confidence interval of the mean. */
  readonly interval: Interval;
}

/**
 * Mean, sample standard deviation, median and bootstrap interval of the mean.
 * @throws ShapeError of an empty list
 */
export function summarise(values: ArrayLike<number>, random: RandomStream): Summary {
  return {
    count: values.length,
    mean: mean(values),
    standardDeviation: values.length < 2 ? Number.NaN : standardDeviation(values),
    median: median(values),
    interval: bootstrapInterval(values, { random }),
  };
}
