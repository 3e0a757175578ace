/*
 * How rows of sums are stored one element after the other, where rows of the output are no whole vec4s. A loop over rows that
 * picks a row's sums by an index has lavapipe gather them from memory, lane by lane. Here a few vec4s of sums are stored by
 * name, and those behind them move on into their places:
 *
 *   round:  store sum0 … sum3, then sum0 = sum4, sum1 = sum5, …
 *
 * Stores for all rows written out would be most of the code, and slow its loads down.
 */

/** vec4s that a round stores. */
const AT_ONCE = 4;
/** Sums of a lane from which on rounds are faster; fewer are better picked by an index. */
const MANY_SUMS = 20;

/** Sums of a tile: `names(r)` are the variables that hold row r. */
export interface RowSums {
  readonly rowsPerLane: number;
  names(row: number): readonly string[];
}

/** Whether a lane's sums are best stored so. @param isWhole whether rows of the output are whole vec4s */
export function storesInRounds(sums: number, isWhole: boolean): boolean {
  return !isWhole && sums >= MANY_SUMS;
}

/**
 * WGSL that stores the rows from `first` (an expression) up to `last`, a variable.
 * @param store WGSL that stores row `o` of the output, whose values are the variables given
 */
export function storeInRounds(
  { rowsPerLane, names }: RowSums,
  first: string,
  store: (sums: readonly string[]) => string,
): string {
  const rows = Math.min(rowsPerLane, Math.ceil(AT_ONCE / names(0).length));
  const lines = [`for (var round = ${first}; round < last; round += ${rows}u) {`];
  for (let r = 0; r < rows; r++) {
    lines.push('{', `let o = round + ${r}u;`, 'if (o < last) {', store(names(r)), '}', '}');
  }
  for (let r = rows; r < rowsPerLane; r++) {
    const targets = names(r - rows);
    names(r).forEach((name, i) => {
      lines.push(`${targets[i]} = ${name};`);
    });
  }
  lines.push('}');
  return lines.join('\n  ');
}
