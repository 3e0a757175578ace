import type { CorrelationTiles } from './correlation-spec.ts';
import { ACTIVATE_VALUE, storeVector } from './epilogue.ts';
import { storeInRounds, storesInRounds } from './store-rounds.ts';

/*
 * How a correlation (`correlation.ts`) stores a lane's sums: row by row, each in the order of the image, where parities
 * along x take turns.
 */

const COMPONENTS = 'xyzw';

/**
 * WGSL that adds the bias to the sums of a tile, activates and stores them. It reads `x`'s quad `quad`, `y`, `item`, `block`.
 * @param finish statements that change `value`, the outputs from `start + e` on
 */
export function storeTile(tiles: CorrelationTiles, outWidth: number, finish: string): string {
  const { rowsPerLane, parities } = tiles;
  const inRounds = storesInRounds(rowsPerLane * parities, outWidth % 4 === 0);
  const store = inRounds ? storeByName : storeByIndex;
  return store(tiles, outWidth, finish);
}

/** WGSL of where the tile's columns start, and its rows end. */
function tileStart({ rowsPerLane, parities }: CorrelationTiles): string {
  return `let x = ${4 * parities}u * quad;
  let last = min((block + 1u) * ${rowsPerLane}u, sizes.rows);`;
}

/** WGSL of row `o`'s bias, and of where it goes. */
function rowStart({ parities }: CorrelationTiles): string {
  return `var shift = 0.0;
    if (sizes.biased != 0u) { shift = bias[o]; }
    let channel = item * sizes.outputRows + sizes.outputFirst + o;
    let start = (channel * sizes.outHeight + y) * sizes.outWidth + x;
    let width = min(${4 * parities}u, sizes.outWidth - x);`;
}

/** WGSL that stores `value`, the outputs from `start + e` on. */
function storeValue(outWidth: number, finish: string): string {
  return `${ACTIVATE_VALUE}
      ${finish}
      ${storeVector(outWidth, 'start + e', 'width - e')}`;
}

/** Picks sums by their index. */
function storeByIndex(tiles: CorrelationTiles, outWidth: number, finish: string): string {
  const { rowsPerLane, parities } = tiles;
  const rows = Array.from({ length: rowsPerLane }, (_, r) => inOrder(sumsOf(tiles, r)));
  return `  var sums = array<vec4f, ${rowsPerLane * parities}>(${rows.flat().join(', ')});
  ${tileStart(tiles)}
  // Loops whose bounds the driver cannot see: unrolled, the stores would be most of the code.
  for (var o = block * ${rowsPerLane}u; o < last; o++) {
    let r = o % ${rowsPerLane}u;
    ${rowStart(tiles)}
    for (var e = 0u; e < width; e += 4u) {
      var value = sums[r * ${parities}u + e / 4u] + shift;
      ${storeValue(outWidth, finish)}
    }
  }`;
}

/** Calls sums by their names. */
function storeByName(tiles: CorrelationTiles, outWidth: number, finish: string): string {
  const { rowsPerLane } = tiles;
  const names = (row: number): string[] => sumsOf(tiles, row);
  const stored = storeInRounds({ rowsPerLane, names }, `block * ${rowsPerLane}u`, (sums) => {
    const stores = inOrder(sums).map(
      (vector, v) => `if (width > ${4 * v}u) {
      let e = ${4 * v}u;
      var value = ${vector} + shift;
      ${storeValue(outWidth, finish)}
    }`,
    );
    return [rowStart(tiles), ...stores].join('\n    ');
  });
  return `  ${tileStart(tiles)}\n  ${stored}`;
}

/** The variables that hold row r, one for each parity along x. */
function sumsOf({ parities }: CorrelationTiles, r: number): string[] {
  return Array.from({ length: parities }, (_, b) => `sum${r}_${b}`);
}

/** WGSL of a row's results in the order of the image: output 4v+i of its 4P. */
function inOrder(sums: readonly string[]): readonly string[] {
  const parities = sums.length;
  if (parities === 1) return sums;
  return sums.map((_, v) => {
    const parts = [0, 1, 2, 3].map((i) => {
      const e = 4 * v + i;
      return `${sums[e % parities]}.${COMPONENTS[Math.floor(e / parities)]}`;
    });
    return `vec4f(${parts.join(', ')})`;
  });
}
