import type { MetricDescription } from '../metrics/metrics.ts';

const MINUS = '−';

/** A number with a typographic minus and a fixed number of decimals; NaN reads "n/a". */
export function formatNumber(value: number, decimals: number): string {
  if (Number.isNaN(value)) return 'n/a';
  const text = Math.abs(value).toFixed(decimals);
  return value < 0 && Number(text) !== 0 ? `${MINUS}${text}` : text;
}

/** A number that always shows its sign; zero as shown has none. */
export function formatSigned(value: number, decimals: number): string {
  const text = formatNumber(value, decimals);
  return value > 0 && Number(text) !== 0 ? `+${text}` : text;
}

/** A score with its unit, e.g. "17.70 dB". */
export function formatScore(metric: MetricDescription, value: number): string {
  const text = formatNumber(value, metric.decimals);
  return metric.unit === '' ? text : `${text} ${metric.unit}`;
}

/** A p-value in the style of the paper: "< .001", "> .99", ".034"; NaN reads "n/a". */
export function formatPValue(p: number): string {
  if (Number.isNaN(p)) return 'n/a';
  if (p < 0.001) return '< .001';
  if (p > 0.99) return '> .99';
  const text = p.toFixed(p < 0.01 ? 3 : 2);
  return text.replace(/^0/, '');
}

/** A duration for people: "0.8 s", "42 s", "3 min 05 s", "2 h 07 min". */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return 'n/a';
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const pad = (value: number) => String(value).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
}
