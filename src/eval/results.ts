import { existsSync, readdirSync } from 'node:fs';
import { RandomStream } from '../autograd/philox.ts';
import { UsageError } from '../errors.ts';
import { requireWritableFolder, writeFolderAtomic } from '../files.ts';
import { type Comparison, compareScores } from '../metrics/comparison.ts';
import { metricNamed } from '../metrics/metrics.ts';
import { loadReportAssets } from '../report/assets.node.ts';
import { csvText } from '../report/csv.ts';
import { renderReport } from '../report/report.ts';
import type { PairScores } from '../run/evaluate.ts';
import type { GalleryPicture, PictureGallery } from './gallery.ts';

/** What was evaluated. */
export interface EvaluationSubject {
  readonly checkpoint: string;
  readonly step: number;
  /** The method's name for people. */
  readonly method: string;
  /** Weights of the generator as trained, or their exponential average. */
  readonly weights: 'raw' | 'ema';
  readonly data: string;
  readonly split: string;
  readonly splitSeed: number;
  readonly size: number;
  readonly fit: string;
  /** How the model's activations were stored. */
  readonly precision: string;
  readonly adapter: string;
}

/** The result of one evaluation; `--json` prints it. */
export interface EvaluationSummary {
  readonly subject: EvaluationSubject;
  readonly count: number;
  readonly comparisons: readonly Comparison[];
  readonly pairs: readonly PairScores[];
}

/** Aggregates per-pair scores: the model against "reference low" on every metric. */
export function summariseEvaluation(
  pairs: readonly PairScores[],
  subject: EvaluationSubject,
): EvaluationSummary {
  const metrics = Object.keys(pairs[0]?.enhanced ?? {});
  const comparisons = metrics.map((name) =>
    compareScores(
      name,
      pairs.map((pair) => pair.reference[name]),
      pairs.map((pair) => pair.enhanced[name]),
      new RandomStream(0, `bootstrap:${name}`),
    ),
  );
  return { subject, count: pairs.length, comparisons, pairs };
}

/** A plain table for the terminal. */
export function formatTable(summary: EvaluationSummary): string {
  const rows = [['metric', 'reference low', 'enhanced', 'change', '95% interval', 'P (1-sided)']];
  for (const comparison of summary.comparisons) {
    const { metric, baseline, model, improvementInterval: interval, test } = comparison;
    const show = (value: number): string => value.toFixed(metric.decimals);
    const sign = metric.direction === 'higher' ? 1 : -1;
    const change = model.mean - baseline.mean;
    const bounds = [interval.low * sign, interval.high * sign].sort((a, b) => a - b);
    const arrow = metric.direction === 'higher' ? '↑' : '↓';
    rows.push([
      `${metric.label} ${arrow}`,
      show(baseline.mean),
      show(model.mean),
      `${change >= 0 ? '+' : ''}${show(change)}`,
      `[${show(bounds[0])}, ${show(bounds[1])}]`,
      test.pValue < 0.001 ? '<.001' : test.pValue > 0.99 ? '>.99' : test.pValue.toFixed(3),
    ]);
  }
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
      )
      .join('  '),
  );
  return `${lines.join('\n')}\n`;
}

/** Tells an evaluation's folder from others. */
const SCORES_FILE = 'scores.json';
const CSV_FILE = 'scores.csv';
const REPORT_FILE = 'report.html';
const IMAGES_FOLDER = 'images';

/** All that an evaluation writes. */
const OWN_NAMES: readonly string[] = [SCORES_FILE, CSV_FILE, REPORT_FILE, IMAGES_FOLDER];

/**
 * Checks, without writing anything, that an evaluation may be written to a folder: a new or empty one,
 * or one that holds an earlier evaluation and nothing else, which is replaced.
 * @throws UsageError if other files would be lost; DataError if the folder cannot be written
 */
export async function checkEvaluationFolder(folder: string): Promise<void> {
  await requireWritableFolder(folder);
  if (!existsSync(folder)) return;
  const names = readdirSync(folder);
  // The folder is replaced as a whole, and with it whatever else someone has put there.
  const foreign = names.find((name) => !OWN_NAMES.includes(name));
  const found = foreign ?? (names.includes(SCORES_FILE) ? undefined : names[0]);
  if (found !== undefined) {
    throw new UsageError(
      `--out ${folder}: expected a new or empty folder or an earlier evaluation alone, found ${found}`,
    );
  }
}

/** Writes `scores.csv`, `scores.json`, `report.html` and `images/`: the folder appears whole or not at all. */
export async function writeEvaluation(
  folder: string,
  summary: EvaluationSummary,
  gallery: PictureGallery,
): Promise<void> {
  const text = new TextEncoder();
  const files: [string, Uint8Array][] = [
    [SCORES_FILE, text.encode(`${JSON.stringify(summary, null, 2)}\n`)],
    [CSV_FILE, text.encode(scoresCsv(summary))],
    [REPORT_FILE, text.encode(evaluationReport(summary, gallery.pictures))],
  ];
  for (const [name, png] of gallery.files) files.push([`${IMAGES_FOLDER}/${name}`, png]);
  await writeFolderAtomic(folder, files);
}

function evaluationReport(summary: EvaluationSummary, pictures: readonly GalleryPicture[]): string {
  const { subject } = summary;
  return renderReport(
    {
      title: 'Evaluation',
      subtitle: `${subject.method}: ${subject.checkpoint}, step ${subject.step}, ${subject.weights} weights`,
      scoredOn: `${summary.count} ${subject.split} pairs, ${subject.fit} to ${subject.size}x${subject.size}`,
      configuration: { ...subject },
      adapter: subject.adapter,
      curves: [],
      scores: summary.comparisons,
      pictures: pictures.map(({ caption, low, enhanced, high, name, organ }) => ({
        caption,
        low,
        enhanced,
        high,
        scores: pictureScores(summary, organ, name),
      })),
      notes: ['"Reference low" scores the low-quality images as they are.'],
    },
    loadReportAssets(),
  );
}

function pictureScores(summary: EvaluationSummary, organ: string, name: string) {
  const pair = summary.pairs.find((item) => item.organ === organ && item.name === name);
  return summary.comparisons.map(({ metric }) => ({
    metric: metric.name,
    low: pair?.reference[metric.name] ?? Number.NaN,
    enhanced: pair?.enhanced[metric.name] ?? Number.NaN,
  }));
}

function scoresCsv({ pairs, comparisons }: EvaluationSummary): string {
  const names = comparisons.map(({ metric }) => metricNamed(metric.name).name);
  return csvText([
    ['organ', 'name', ...names.flatMap((name) => [`${name}_low`, `${name}_enhanced`])],
    ...pairs.map(({ organ, name, reference, enhanced }) => [
      organ,
      name,
      ...names.flatMap((metric) => [reference[metric], enhanced[metric]]),
    ]),
  ]);
}
