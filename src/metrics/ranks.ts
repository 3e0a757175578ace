/** Ranks of a sample and the sizes of its groups of equal values. */
export interface Ranking {
  /** Rank of each value from 1; equal values share their average rank. */
  readonly ranks: Float64Array;
  /** Size of each group of equal values, in ascending order of value; 1 when untied. */
  readonly groups: readonly number[];
}

/** Average ranks (`scipy.stats.rankdata`, method `average`). Values must not be NaN. */
export function averageRanks(values: ArrayLike<number>): Ranking {
  const order = Array.from(values, (value, index) => ({ value, index })).sort(
    (p, q) => p.value - q.value,
  );
  const ranks = new Float64Array(order.length);
  const groups: number[] = [];
  let start = 0;
  while (start < order.length) {
    let end = start + 1;
    while (end < order.length && order[end]?.value === order[start]?.value) end++;
    for (const { index } of order.slice(start, end)) ranks[index] = (start + 1 + end) / 2;
    groups.push(end - start);
    start = end;
  }
  return { ranks, groups };
}
