/*
 * How a lane's rows of sums are stored, one after the other. A loop over rows that picks a row's sums by an index has
 * lavapipe gather them from memory, lane by lane; stores for all rows written out would be most of the code, and slow its
 * loads down. Where rows of the output are no whole vec4s, and many, it is best to store a few vec4s of sums by their names
 * and have those behind them move on into their places:
 *
 *   round:  store sum0 … sum3, then sum0 = sum4, sum1 = sum5, …
 */

/** vec4s that a round stores. */
const AT_ONCE = 4;
/** Sums of a lane from which on rounds are faster. */
const MANY_SUMS = 20;

/** WGSL in two parts: `start` belongs before whatever rows need, `rows` behind it. */
export interface RowStores {
  readonly start: string;
  readonly rows: string;
}

/**
 * WGSL that stores the rows of tile `block` before row `last`.
 * @param sums the variables of each row
 * @param vectors the vec4s of a row of variables, as they are stored
 * @param isWhole whether rows of the output are whole vec4s
 * @param row WGSL that stores row `o`, whose vec4 at `e`, of four, eight … outputs, is the expression given
 */
export function storeRows(
  sums: readonly (readonly string[])[],
  vectors: (row: readonly string[]) => readonly string[],
  isWhole: boolean,
  row: (vector: string) => string,
): RowStores {
  const all = sums.flat();
  const count = sums[0].length;
  const first = `block * ${sums.length}u`;
  if (isWhole || all.length < MANY_SUMS) {
    return {
      start: `var sums = array<vec4f, ${all.length}>(${sums.flatMap(vectors).join(', ')});`,
      // A bound that the driver cannot see, so that it does not unroll the loop.
      rows: `for (var o = ${first}; o < last; o++) {
      let r = o % ${sums.length}u;
      ${row(count > 1 ? `sums[r * ${count}u + e / 4u]` : 'sums[r]')}
    }`,
    };
  }
  const round = Math.ceil(AT_ONCE / count);
  const stored = sums.slice(0, round).map((names, r) => {
    const vector = vectors(names).reduce(
      (before, next, i) => `select(${before}, ${next}, e >= ${4 * i}u)`,
    );
    return `{ let o = round + ${r}u; if (o < last) { ${row(vector)} } }`;
  });
  const moved = all.slice(round * count).map((name, i) => `${all[i]} = ${name};`);
  return {
    start: '',
    rows: `for (var round = ${first}; round < last; round += ${round}u) {
    ${[...stored, ...moved].join('\n    ')}
    }`,
  };
}
