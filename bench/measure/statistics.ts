import { quantile } from '../../src/metrics/statistics.ts';

/** Centre and spread of repeated measurements. */
export interface Repeats {
  readonly median: number;
  /** Interquartile range over the median: 0.1 means that the middle half lies within 10 %. */
  readonly spread: number;
  readonly least: number;
  readonly count: number;
}

/** @throws ShapeError of an empty list */
export function summariseRepeats(values: readonly number[]): Repeats {
  const median = quantile(values, 0.5);
  const range = quantile(values, 0.75) - quantile(values, 0.25);
  return {
    median,
    spread: range === 0 ? 0 : range / median,
    least: Math.min(...values),
    count: values.length,
  };
}

/** Geometric mean of positive numbers. @throws RangeError of an empty list */
export function geometricMean(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('geometric mean of nothing');
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}
