import { ShapeError } from '../errors.ts';
import { escapeHtml, scriptJson } from './html.ts';
import type { Curve } from './types.ts';

/** More points than this are thinned; a plot is seldom wider than 600 pixels. */
const MAX_POINTS = 1200;
/** The moving average looks back over about this share of the curve. */
const SMOOTHING_SHARE = 0.04;

/** A plot as the page script reads it. */
export interface PlotData {
  readonly xLabel: string;
  readonly log: boolean;
  /** Columns of numbers: x first, then the series in order, raw before smoothed. */
  readonly columns: (number | null)[][];
  readonly series: { name: string; colour: number; faint: boolean }[];
}

/**
 * Exponential moving average with bias correction, so that it starts at the first value.
 * Gaps stay gaps and do not count.
 *
 * @param span about how many recent values weigh in: the decay is 1 - 1 / span
 */
export function movingAverage(values: readonly (number | null)[], span: number): (number | null)[] {
  const decay = 1 - 1 / Math.max(1, span);
  let sum = 0;
  let weight = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = decay * sum + (1 - decay) * value;
    weight = decay * weight + (1 - decay);
    return weight === 0 ? value : sum / weight;
  });
}

/**
 * Indices that keep the outline of all columns: in each of equal runs of points the extremes of
 * every column stay, besides the first and last point.
 */
export function thin(columns: readonly (readonly (number | null)[])[], limit: number): number[] {
  const length = columns[0]?.length ?? 0;
  if (length <= limit) return Array.from({ length }, (_, i) => i);
  const runs = Math.max(1, Math.floor((limit - 2) / (2 * columns.length)));
  const kept = new Set([0, length - 1]);
  for (let run = 0; run < runs; run++) {
    const start = Math.floor((run * length) / runs);
    const end = Math.floor(((run + 1) * length) / runs);
    for (const column of columns) {
      let lowest = -1;
      let highest = -1;
      for (let i = start; i < end; i++) {
        const value = column[i];
        if (value === null || value === undefined) continue;
        if (lowest < 0 || value < (column[lowest] as number)) lowest = i;
        if (highest < 0 || value > (column[highest] as number)) highest = i;
      }
      if (lowest >= 0) kept.add(lowest).add(highest);
    }
  }
  return [...kept].sort((p, q) => p - q);
}

/** Five significant digits are more than a plot shows. */
function shorten(value: number | null): number | null {
  return value === null ? null : Number(value.toPrecision(5));
}

/**
 * The numbers of a plot: gaps for what is not finite (or not positive on a log scale), smoothed
 * copies when asked, thinned to a size that suits a page.
 * @throws ShapeError when a series and the axis differ in length
 */
export function plotData(curve: Curve): { plot: PlotData; missing: number } {
  const log = curve.scale === 'log';
  let missing = 0;
  const raw = curve.series.map(({ name, values }) => {
    if (values.length !== curve.x.length) {
      throw new ShapeError(
        `report: curve "${curve.title}", series "${name}" has ${values.length} values for ${curve.x.length} positions`,
      );
    }
    return values.map((value) => {
      if (value === null) return null;
      if (Number.isFinite(value) && (!log || value > 0)) return value;
      missing++;
      return null;
    });
  });
  const columns: (number | null)[][] = [];
  const series: { name: string; colour: number; faint: boolean }[] = [];
  raw.forEach((values, colour) => {
    const name = curve.series[colour]?.name ?? '';
    columns.push(values);
    series.push({ name, colour, faint: curve.smooth === true });
    if (!curve.smooth) return;
    columns.push(movingAverage(values, SMOOTHING_SHARE * values.length));
    series.push({ name, colour, faint: false });
  });
  const kept = thin(columns, MAX_POINTS);
  return {
    missing,
    plot: {
      xLabel: curve.xLabel,
      log,
      series,
      columns: [
        kept.map((i) => curve.x[i] as number),
        ...columns.map((column) => kept.map((i) => shorten(column[i] ?? null))),
      ],
    },
  };
}

function article(curve: Curve, index: number): string {
  const { plot, missing } = plotData(curve);
  const hint =
    curve.hint === undefined ? '' : `<p class="small muted">${escapeHtml(curve.hint)}</p>`;
  const gaps =
    missing === 0
      ? ''
      : `<p class="small warning">${missing} ${missing === 1 ? 'value is' : 'values are'} not ${plot.log ? 'a finite positive number' : 'finite'} and left out.</p>`;
  const last = curve.series.map(({ name, values }) => {
    const value = values.findLast((candidate) => candidate !== null);
    return `${name} ends at ${value === undefined || value === null ? 'nothing' : value.toPrecision(4)}`;
  });
  const legend = curve.series.map(
    ({ name }, i) =>
      `<li><span class="swatch s${i % 6}" aria-hidden="true"></span>${escapeHtml(name)} <output class="value"></output></li>`,
  );
  return `<article class="plot" data-plot="${index}"><h3>${escapeHtml(curve.title)}</h3>${hint}<div class="canvas" role="img" aria-label="${escapeHtml(`${curve.title}: ${last.join(', ')}`)}"></div><ul class="legend">${legend.join('')}</ul>${gaps}<script type="application/json">${scriptJson(plot)}</script></article>`;
}

/**
 * The section of training curves; empty when there are none.
 * @throws ShapeError when a series and its axis differ in length
 */
export function curvesSection(curves: readonly Curve[]): string {
  if (curves.length === 0) return '';
  return `<section id="curves">
<h2>Training</h2>
<noscript><p class="warning">The curves are drawn by a script inside this page; this browser has scripts turned off.</p></noscript>
<div class="plots">${curves.map(article).join('\n')}</div>
</section>`;
}
