import type { CaseResult } from '../cases/run-case.ts';
import { geometricMean } from '../measure/statistics.ts';
import { left, markdownTable, percent, right, significant } from './table.ts';

/** Results of one kind of work, with the unit that its rate is in. What is not counted cannot limit. */
function table(
  results: readonly CaseResult[],
  timeTitle: string,
  rateTitle: 'GFLOP/s' | 'GB/s',
): string {
  const hasArithmetic = rateTitle === 'GFLOP/s';
  return markdownTable(
    [
      left('kernel'),
      left('shape'),
      right(timeTitle),
      right('spread'),
      right('wall ms'),
      right(rateTitle),
      right('of roof'),
      ...(hasArithmetic ? [left('limit')] : []),
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
      ...(hasArithmetic ? [result.roof.limit] : []),
      result.correct ? result.error.toExponential(0) : `WRONG ${result.error.toExponential(1)}`,
    ]),
  );
}

function rateOf({ gigaflops, gigabytes }: CaseResult): number {
  return gigaflops ?? gigabytes;
}

/** First words of a name: `conv forward`, `instance-norm backward`, … */
function familyOf(name: string): string {
  return name.split(' ').slice(0, 2).join(' ');
}

/** Least, geometric mean and largest rate of every family. */
export function familyTable(results: readonly CaseResult[]): string {
  const families = new Map<string, number[]>();
  for (const result of results) {
    const rates = families.get(familyOf(result.name)) ?? [];
    rates.push(rateOf(result));
    families.set(familyOf(result.name), rates);
  }
  return markdownTable(
    [left('family'), right('cases'), right('least'), right('geometric mean'), right('most')],
    [...families].map(([family, rates]) => [
      family,
      String(rates.length),
      significant(Math.min(...rates)),
      significant(geometricMean(rates)),
      significant(Math.max(...rates)),
    ]),
  );
}

/** All tables of `npm run bench`. */
export function kernelTables(results: readonly CaseResult[], timeTitle: string): string {
  const arithmetic = results.filter(({ gigaflops }) => gigaflops !== undefined);
  const memory = results.filter(({ gigaflops }) => gigaflops === undefined);
  const parts: string[] = [];
  if (results.length > 1) {
    parts.push(
      'By family, GFLOP/s of the direct algorithm (convolutions, products) or GB/s (the rest):',
      familyTable(results),
    );
  }
  if (arithmetic.length) {
    parts.push(
      'Convolutions and products. Rates are of the direct algorithm, whatever the kernel does:',
      table(arithmetic, timeTitle, 'GFLOP/s'),
    );
  }
  if (memory.length) {
    parts.push(
      'Work that memory limits. Bytes are those that must be moved, every array once:',
      table(memory, timeTitle, 'GB/s'),
    );
  }
  return parts.join('\n\n');
}
