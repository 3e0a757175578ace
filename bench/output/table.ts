import type { Repeats } from '../measure/statistics.ts';

/** One column of a table: its title, and how it stands. */
export interface Column {
  readonly title: string;
  readonly align: 'left' | 'right';
}

export const left = (title: string): Column => ({ title, align: 'left' });
export const right = (title: string): Column => ({ title, align: 'right' });

/** Three significant digits, without exponents: 1234, 123, 12.3, 1.23, 0.123. */
export function significant(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return '0';
  const digits = Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(Math.abs(value)))));
  return value.toFixed(digits);
}

export function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(0)} %`;
}

/** The spread of repeated measurements, if they are enough to have one. */
export function spreadText({ spread, count }: Pick<Repeats, 'spread' | 'count'>): string {
  return count < 3 ? '–' : percent(spread);
}

/** Bytes as KiB, MiB or GiB. */
export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${significant(value)} ${units[unit]}`;
}

/** A table in Markdown, its cells padded so that it reads well as text too. */
export function markdownTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string {
  const widths = columns.map(({ title }, i) =>
    Math.max(3, title.length, ...rows.map((row) => row[i].length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (columns[i].align === 'left' ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`;
  const rule = widths.map((width, i) =>
    columns[i].align === 'left' ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return [line(columns.map(({ title }) => title)), line(rule), ...rows.map(line)].join('\n');
}
