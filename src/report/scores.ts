import { type Comparison, isUncertain, type Verdict, verdict } from '../metrics/comparison.ts';
import { formatNumber, formatPValue, formatScore, formatSigned } from './format.ts';
import { escapeHtml } from './html.ts';

const SYMBOLS = { better: '▲', worse: '▼', equal: '=' } as const;
/** Cards at the top of a report. */
const HEADLINE_CARDS = 4;

function verdictTag(comparison: Comparison): string {
  const word = verdict(comparison);
  const doubt =
    word !== 'equal' && isUncertain(comparison) ? ' <span class="muted">uncertain</span>' : '';
  return `<span class="verdict ${word}"><span aria-hidden="true">${SYMBOLS[word]}</span> ${word}</span>${doubt}`;
}

/** Raw difference model - baseline, as printed; the sign follows the numbers, not the verdict. */
function change(comparison: Comparison): number {
  return comparison.model.mean - comparison.baseline.mean;
}

/**
 * One sentence on the outcome: how many metrics improved, which did not, and which improvement
 * the images leave open.
 * @returns plain text
 */
export function headline(scores: readonly Comparison[]): string {
  const labels = (rows: readonly Comparison[]) => rows.map((row) => row.metric.label).join(', ');
  const having = (word: Verdict) => scores.filter((row) => verdict(row) === word);
  const better = having('better');
  const worse = having('worse');
  const equal = having('equal');
  const uncertain = better.filter(isUncertain);
  const parts = [
    better.length === scores.length
      ? `closer to the high-quality target than the low-quality input on ${scores.length === 1 ? labels(scores) : `all ${scores.length} metrics`}`
      : `closer to the high-quality target than the low-quality input on ${better.length} of ${scores.length} metrics`,
  ];
  if (worse.length > 0) parts.push(`farther on ${labels(worse)}`);
  if (equal.length > 0) parts.push(`equal on ${labels(equal)}`);
  if (uncertain.length > 0) parts.push(`uncertain on ${labels(uncertain)}`);
  return `Enhanced images are ${parts.join('; ')}.`;
}

function card(comparison: Comparison): string {
  const { metric, baseline, model } = comparison;
  const word = verdict(comparison);
  const amount =
    word === 'equal'
      ? 'no change'
      : `${word} by ${formatScore(metric, Math.abs(change(comparison)))}`;
  const unit = metric.unit === '' ? '' : `<span class="unit"> ${metric.unit}</span>`;
  return `<div class="card"><div class="card-name">${escapeHtml(metric.label)}</div><div class="card-value"><span class="from">${formatNumber(baseline.mean, metric.decimals)}</span><span class="arrow" aria-label="to">→</span><span class="to">${formatNumber(model.mean, metric.decimals)}</span>${unit}</div><div class="verdict ${word}"><span aria-hidden="true">${SYMBOLS[word]}</span> ${amount}</div></div>`;
}

/** The first few scores, large; empty when there are none. */
export function headlineCards(scores: readonly Comparison[]): string {
  if (scores.length === 0) return '';
  return `<div class="cards">${scores.slice(0, HEADLINE_CARDS).map(card).join('')}</div>`;
}

function cell(label: string, content: string): string {
  return `<td data-label="${escapeHtml(label)}"><div>${content}</div></td>`;
}

function row(comparison: Comparison): string {
  const { metric, baseline, model, improvementInterval, improvedCount } = comparison;
  const spread = (value: number) =>
    Number.isNaN(value)
      ? ''
      : ` <span class="muted nowrap">± ${formatNumber(value, metric.decimals)}</span>`;
  const higher = metric.direction === 'higher';
  // The interval is of the improvement; a metric that falls when it improves shows it mirrored.
  const low = higher ? improvementInterval.low : -improvementInterval.high;
  const high = higher ? improvementInterval.high : -improvementInterval.low;
  const interval = `${formatSigned(low, metric.decimals)} to ${formatSigned(high, metric.decimals)}`;
  const unit = metric.unit === '' ? '' : ` <span class="muted">(${metric.unit})</span>`;
  return `<tr>
<th scope="row"><div class="metric-name">${escapeHtml(metric.label)}${unit} <span class="muted">${higher ? '↑ higher is better' : '↓ lower is better'}</span></div><div class="metric-summary">${escapeHtml(metric.summary)}</div></th>
${cell('Reference low', formatNumber(baseline.mean, metric.decimals) + spread(baseline.standardDeviation))}
${cell('Model', `<b>${formatNumber(model.mean, metric.decimals)}</b>${spread(model.standardDeviation)}`)}
${cell('Change (95% interval)', `${formatSigned(change(comparison), metric.decimals)} <span class="muted nowrap">${interval}</span>`)}
${cell('Images improved', `${improvedCount} of ${model.count}`)}
${cell('P', `<span class="nowrap">${escapeHtml(formatPValue(comparison.test.pValue))}</span>`)}
${cell('Verdict', verdictTag(comparison))}
</tr>`;
}

/**
 * The score table: reference low beside the model, with the change, its bootstrap interval, the
 * Wilcoxon p-value and the verdict in words; empty when there are no scores.
 *
 * @param scoredOn which images, e.g. "12 held-out simulated pairs"
 */
export function scoresSection(scores: readonly Comparison[], scoredOn: string): string {
  if (scores.length === 0) return '';
  const heads = [
    'Reference low',
    'Model',
    'Change <span class="muted">95% interval</span>',
    'Images improved',
    '<i>P</i>',
    'Verdict',
  ];
  return `<section id="scores">
<h2>Scores</h2>
<p>Measured against the high-quality target on ${escapeHtml(scoredOn)}. <i>Reference low</i> scores the low-quality input as it is: a model is of use only where it does better.</p>
<table class="scores">
<thead><tr><th scope="col">Metric</th>${heads.map((head) => `<th scope="col">${head}</th>`).join('')}</tr></thead>
<tbody>${scores.map(row).join('\n')}</tbody>
</table>
<p class="small muted">Mean ± standard deviation over images. Intervals: percentile bootstrap of the mean change. <i>P</i>: one-sided Wilcoxon signed rank test that the model improves, no correction for the number of metrics. “Uncertain”: the interval includes no change.</p>
</section>`;
}
