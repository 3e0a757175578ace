import type { Tile } from './tile.ts';

/*
 * Storing a thread's results, 64 values in registers. Text for each of them would take long to compile, and
 * a loop that picks one of 16 vec4s spends more on picking than on storing. So they are picked in stages, and
 * what columns have in common is found out once, outside of the loop over rows. Compilers do not see the
 * loops' bounds, which all come from `sizes.results`, and leave them rolled. Narrow tiles, whose sums are often short, have
 * the text of four rows instead of the second stage.
 */

/** Rows picked at a time. */
const GROUP = 4;

/** What `sizes.results` must hold if a thread has `rows` rows. */
export function rowGroups(rows: number): number {
  return rows / GROUP;
}

const several = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => line(i)).join('\n');

/** WGSL that picks one of `count` cases, each some assignments. */
function pick(selector: string, count: number, assign: (i: number) => string): string {
  return `switch (${selector}) {
${several(count, (i) => `    ${i === count - 1 ? 'default' : `case ${i}u`}: { ${assign(i)} }`)}
  }`;
}

/**
 * WGSL that runs `body` for each group of four rows, `rowGroup`: `picked0` to `picked3` are the thread's parts of
 * them, of WGSL type `type`.
 * @param groups names of the variables with the parts of four rows each
 * @param selector WGSL of which of them belong to `rowGroup`
 */
export function eachOfGroups(
  type: string,
  groups: readonly (readonly string[])[],
  selector: string,
  body: string,
): string {
  return `
  for (var rowGroup = 0u; rowGroup < sizes.results; rowGroup++) {
${several(GROUP, (i) => `    var picked${i}: ${type};`)}
    ${pick(selector, groups.length, (group) =>
      groups[group].map((name, i) => `picked${i} = ${name};`).join(' '),
    )}
${body}
  }`;
}

/** Names of the parts of rows, four by four. */
export function grouped(rows: number, name: (row: number) => string): string[][] {
  return Array.from({ length: rowGroups(rows) }, (_, group) =>
    Array.from({ length: GROUP }, (_, i) => name(GROUP * group + i)),
  );
}

/** Rows of a thread of a tile, each in two vec4s. */
const ROWS = 8;

/** What `sizes.results` must hold, for `eachResult`. */
export const RESULTS = rowGroups(ROWS);

/**
 * WGSL that runs `columns` for both vec4s of columns of the thread, `half` telling which, and for each of
 * these `body` for every row: `value` is the vec4 of results, `row` the tile's row.
 */
export function eachResult(tile: Tile, columns: string, body: string): string {
  const groups = [0, 1].flatMap((half) => grouped(ROWS, (row) => `sum${row}_${half}`));
  return `
  for (var half = 0u; half < min(2u, 2u * sizes.results); half++) {
${columns}
${eachOfGroups(
  'vec4f',
  groups,
  `${RESULTS}u * half + rowGroup`,
  `    for (var inGroup = 0u; inGroup < min(${GROUP}u, ${GROUP}u * sizes.results); inGroup++) {
      var value: vec4f;
      ${pick('inGroup', GROUP, (i) => `value = picked${i};`)}
    let row = rowGroup * ${GROUP * tile.rowThreads}u + ${GROUP}u * thread.y + inGroup;
${body}
    }`,
)}
  }`;
}
