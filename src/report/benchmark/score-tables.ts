/** The tables of a benchmark: the paper's Table 2, effect sizes, organs. */
import { isBetter, type MetricDescription } from '../../metrics/metrics.ts';
import type { RankedCell, RankedRow } from '../../metrics/ranking.ts';
import { formatNumber, formatPValue, formatSigned } from '../format.ts';
import type { TableCell, TableColumn, TextTable } from '../text-table.ts';

/** A column of scores; with `missing`, the reason why there are none. */
export interface ScoreTableColumn {
  readonly metric: MetricDescription;
  readonly missing: string | undefined;
}

/** The paper's Table 2 prints four decimals of every metric. */
const DECIMALS = 4;
const UNAVAILABLE: TableCell = { text: 'not available' };

function columnLabel({ label, unit, direction }: MetricDescription): string {
  const arrow = direction === 'higher' ? '↑' : '↓';
  return `${label}${unit === '' ? '' : ` (${unit})`} ${arrow}`;
}

function scoreColumns(columns: readonly ScoreTableColumn[]): TableColumn[] {
  return columns.map(({ metric }) => ({ label: columnLabel(metric) }));
}

function scoreCell({ summary, isBest, comparison }: RankedCell): TableCell {
  const spread = Number.isNaN(summary.standardDeviation)
    ? ''
    : `± ${formatNumber(summary.standardDeviation, DECIMALS)}`;
  const p = comparison && `(P ${pRelation(comparison.test.pValue)})`;
  return {
    text: formatNumber(summary.mean, DECIMALS),
    value: summary.mean,
    isBold: isBest,
    detail: [spread, p].filter(Boolean).join(' '),
  };
}

/** "< .001", "> .99", "= .03". */
function pRelation(p: number): string {
  const text = formatPValue(p);
  return /^[<>]/.test(text) ? text : `= ${text}`;
}

/**
 * Table 2: a row a system, mean ± standard deviation over images, the best mean bold, and the P of a
 * one-sided Wilcoxon signed rank test that the main system is better. Metrics that could not be
 * computed keep their column.
 *
 * @param main label of the system that the tests are about
 * @param about what the scores are of, e.g. "210 held-out images"
 */
export function scoreTable(
  rows: readonly RankedRow[],
  columns: readonly ScoreTableColumn[],
  main: string,
  about: string,
): TextTable {
  const missing = columns.filter((column) => column.missing !== undefined);
  return {
    name: 'Table 2',
    caption: `Performance evaluation of the systems on ${about}.`,
    columns: [{ label: 'System', align: 'left' }, ...scoreColumns(columns)],
    rows: rows.map(({ label, cells }) => [
      { text: label },
      ...columns.map(({ metric, missing: reason }) =>
        reason === undefined ? scoreCell(cells[metric.name]) : UNAVAILABLE,
      ),
    ]),
    notes: [
      `Mean ± standard deviation over images; bold: best mean. ↑: higher is better, ↓: lower is better. P: one-sided Wilcoxon signed rank test that ${main} is better, over the same images; no correction for the number of tests.`,
      ...missing.map(
        ({ metric, missing: reason }) => `${metric.label} is not available: ${reason}`,
      ),
    ],
  };
}

/** Effect sizes: the main system against every other, a row a system and metric. */
export function effectTable(
  rows: readonly RankedRow[],
  columns: readonly ScoreTableColumn[],
  main: string,
): TextTable {
  const body = columns
    .filter(({ missing }) => missing === undefined)
    .flatMap(({ metric }) =>
      rows.flatMap(({ label, cells }): TableCell[][] => {
        const { comparison } = cells[metric.name];
        if (!comparison) return [];
        const { improvement, improvementInterval: interval, effect, test } = comparison;
        const count = comparison.model.count;
        return [
          [
            { text: metric.label },
            { text: label },
            { text: formatSigned(improvement, DECIMALS), value: improvement },
            {
              text: `${formatSigned(interval.low, DECIMALS)} to ${formatSigned(interval.high, DECIMALS)}`,
              value: interval.low,
            },
            { text: formatSigned(effect, 2), value: effect },
            { text: `${comparison.improvedCount} of ${count}`, value: comparison.improvedCount },
            { text: formatPValue(test.pValue), value: test.pValue },
          ],
        ];
      }),
    );
  return {
    name: 'Effect sizes',
    caption: `How much better ${main} is than each other system; negative where it is worse.`,
    columns: [
      { label: 'Metric', align: 'left' },
      { label: 'Compared with', align: 'left' },
      { label: 'Improvement' },
      { label: '95% interval' },
      { label: 'Rank-biserial r' },
      { label: 'Images improved' },
      { label: 'P' },
    ],
    rows: body,
    notes: [
      'Improvement: mean over images of the difference, positive where it is better. Interval: percentile bootstrap over images, 2000 resamples. Rank-biserial: (W⁺ − W⁻) / (W⁺ + W⁻), 1 if every image improves.',
    ],
  };
}

/** Mean scores of one organ's images. */
export interface OrganScores {
  readonly organ: string;
  readonly count: number;
  /** Means by metric. */
  readonly systems: readonly {
    readonly label: string;
    readonly means: Readonly<Record<string, number>>;
  }[];
}

/** Scores by organ, a row an organ and system; the best of an organ bold. */
export function organTable(
  organs: readonly OrganScores[],
  columns: readonly ScoreTableColumn[],
): TextTable {
  const computed = columns.filter(({ missing }) => missing === undefined);
  return {
    name: 'Scores by organ',
    caption: 'Mean over the held-out images of an organ; bold: best mean of the organ.',
    columns: [
      { label: 'Organ', align: 'left' },
      { label: 'Images' },
      { label: 'System', align: 'left' },
      ...scoreColumns(computed),
    ],
    rows: organs.flatMap(({ organ, count, systems }) =>
      systems.map(({ label, means }): TableCell[] => [
        { text: organ },
        { text: String(count), value: count },
        { text: label },
        ...computed.map(({ metric: { name, direction } }) => ({
          text: formatNumber(means[name], DECIMALS),
          value: means[name],
          isBold: !systems.some((other) => isBetter(direction, other.means[name], means[name])),
        })),
      ]),
    ),
    notes: [],
  };
}
