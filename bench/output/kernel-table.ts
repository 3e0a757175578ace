import type { CaseResult } from '../cases/run-case.ts';
import { geometricMean } from '../measure/statistics.ts';
import { left, markdownTable, percent, right, significant } from './table.ts';

/** Results of one kind of work, with the unit that its rate is in. */
function table(
  results: readonly CaseResult[],
  timeTitle: string,
  rateTitle: 'GFLOP/s' | 'GB/s',
): string {
  const hasPasses = results.some(({ copyShare }) => copyShare !== undefined);
  return markdownTable(
    [
      left('kernel'),
      left('shape'),
      right(timeTitle),
      right('spread'),
      right('wall ms'),
      right(rateTitle),
      right('of roof'),
      left('limit'),
      ...(hasPasses ? [right('passes, of a copy')] : []),
      right('error'),
    ],
    results.map((result) => [
      result.name,
      result.shape,
      significant(result.milliseconds),
      percent(result.spread),
      significant(result.wallMilliseconds),
      significant(rateOf(result)),
      percent(result.share),
      result.roof.limit,
      ...(hasPasses ? [shareText(result.copyShare)] : []),
      result.correct ? result.error.toExponential(0) : `WRONG ${result.error.toExponential(1)}`,
    ]),
  );
}

const shareText = (share: number | undefined): string =>
  share === undefined ? '–' : percent(share);

function rateOf({ gigaflops, gigabytes }: CaseResult): number {
  return gigaflops ?? gigabytes;
}

const least = (values: readonly number[]): string =>
  values.length ? significant(Math.min(...values)) : '–';
const mean = (values: readonly number[]): string =>
  values.length ? significant(geometricMean(values)) : '–';

/** Least, geometric mean and largest rate of every family, and what `more` tells of its members under `titles`. */
function familyTable(
  results: readonly CaseResult[],
  titles: readonly string[],
  more: (members: readonly CaseResult[]) => readonly string[],
): string {
  const families = new Map<string, CaseResult[]>();
  for (const result of results) {
    const found = families.get(result.family);
    if (found) found.push(result);
    else families.set(result.family, [result]);
  }
  return markdownTable(
    [
      left('family'),
      ...['cases', 'least', 'geometric mean', 'most', ...titles].map((title) => right(title)),
    ],
    [...families].map(([family, members]) => {
      const rates = members.map(rateOf);
      const most = significant(Math.max(...rates));
      return [family, String(members.length), least(rates), mean(rates), most, ...more(members)];
    }),
  );
}

/** Rates by family, also of what arithmetic limits, and the least share of the roof of the others. */
function arithmeticFamilies(results: readonly CaseResult[]): string {
  const titles = [
    'limited by access or memory',
    'of roof: least',
    'limited by arithmetic: least',
    'geometric mean',
  ];
  return familyTable(results, titles, (members) => {
    const moving = members.filter(({ roof }) => roof.limit !== 'arithmetic');
    const shares = moving.map(({ share }) => share);
    const rates = members.filter(({ roof }) => roof.limit === 'arithmetic').map(rateOf);
    const share = shares.length ? percent(Math.min(...shares)) : '–';
    return [String(moving.length), share, least(rates), mean(rates)];
  });
}

/** Rates by family, shares of the roof, and what the passes reach of a copy's bandwidth. */
function memoryFamilies(results: readonly CaseResult[]): string {
  const titles = [
    ...['of roof: least', 'geometric mean'],
    ...['passes, of a copy: least', 'geometric mean'],
  ];
  return familyTable(results, titles, (members) => {
    const shares = members.map(({ share }) => share);
    const passes = members.flatMap(({ copyShare }) => copyShare ?? []);
    return [...leastAndMean(shares), ...leastAndMean(passes)];
  });
}

function leastAndMean(shares: readonly number[]): readonly [string, string] {
  if (shares.length === 0) return ['–', '–'];
  return [percent(Math.min(...shares)), percent(geometricMean(shares))];
}

/** All tables of `npm run bench`. */
export function kernelTables(results: readonly CaseResult[], timeTitle: string): string {
  const arithmetic = results.filter(({ gigaflops }) => gigaflops !== undefined);
  const memory = results.filter(({ gigaflops }) => gigaflops === undefined);
  const parts: string[] = [];
  if (arithmetic.length > 1) {
    parts.push(
      'Convolutions and products by family, GFLOP/s of the direct algorithm:',
      arithmeticFamilies(arithmetic),
    );
  }
  if (memory.length > 1) {
    parts.push('The rest by family, GB/s:', memoryFamilies(memory));
  }
  if (arithmetic.length) {
    parts.push(
      'Convolutions and products. Rates are of the direct algorithm, whatever the kernel does:',
      table(arithmetic, timeTitle, 'GFLOP/s'),
    );
  }
  if (memory.length) {
    parts.push(
      'Work that moves data. Bytes are those that must be moved, every array once:',
      table(memory, timeTitle, 'GB/s'),
    );
  }
  return parts.join('\n\n');
}
