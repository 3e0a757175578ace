import type { GrayImage } from '../data/image.ts';
import type { Comparison } from '../metrics/comparison.ts';

/** One line of a plot. Values that are null or not finite leave a gap. */
export interface CurveSeries {
  readonly name: string;
  readonly values: readonly (number | null)[];
}

/** One plot: several series over a shared, ascending horizontal axis. */
export interface Curve {
  readonly title: string;
  /** What to look for, in a sentence; optional. */
  readonly hint?: string;
  readonly xLabel: string;
  readonly x: readonly number[];
  readonly series: readonly CurveSeries[];
  /** Draw each series faintly and its moving average on top. Default false. */
  readonly smooth?: boolean;
  /** Default linear. */
  readonly scale?: 'linear' | 'log';
}

/** Scores of one image before and after. */
export interface PictureScore {
  /** Name in the metric registry. */
  readonly metric: string;
  readonly low: number;
  readonly enhanced: number;
}

/** A low-quality image, what the model makes of it, and the high-quality target, of equal size. */
export interface Picture {
  readonly caption: string;
  readonly low: GrayImage;
  readonly enhanced: GrayImage;
  readonly high: GrayImage;
  readonly scores?: readonly PictureScore[];
}

/** A value of the configuration, any JSON. */
export type ConfigurationValue =
  | string
  | number
  | boolean
  | null
  | readonly ConfigurationValue[]
  | { readonly [key: string]: ConfigurationValue };

/** Everything a report shows. */
export interface ReportContent {
  readonly title: string;
  readonly subtitle: string;
  /** The command that makes this report again; optional. */
  readonly command?: string;
  /** Where the images come from, e.g. "12 held-out simulated pairs". */
  readonly scoredOn: string;
  readonly configuration: { readonly [key: string]: ConfigurationValue };
  /** The adapter that computed it, one line. */
  readonly adapter: string;
  readonly curves: readonly Curve[];
  readonly scores: readonly Comparison[];
  readonly pictures: readonly Picture[];
  /** Sentences on what the numbers do and do not mean. */
  readonly notes: readonly string[];
}

/** Scripts and style sheets that a report carries inside; files are read by the caller. */
export interface ReportAssets {
  readonly plotScript: string;
  readonly plotStyle: string;
  readonly pageScript: string;
  readonly pageStyle: string;
}
