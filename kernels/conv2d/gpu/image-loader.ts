import type { PaddingMode } from '../geometry.ts';
import { type Tile, tileThreads } from './tile.ts';

/*
 * Loads the column operand of a correlation: for k = (tap, channel) and a column = pixel of the grid,
 * the image's pixel that the tap meets there, or zero beyond its border.
 *
 * A thread serves fixed pixels, neighbours neighbouring ones, and decodes them once. Channels run
 * fastest: as long as their number is a multiple of the tile's depth, a step has one tap, so place and
 * bounds are computed once a tap, and what is left for an element is an addition, a load and a
 * select. Otherwise k runs over all (tap, channel) pairs, which a table among the constants lists.
 */

export interface ImageLoader {
  readonly tile: Tile;
  readonly mode: PaddingMode;
  /** Whether one step has one tap. */
  readonly blocked: boolean;
}

/** Columns that a thread loads of each half of the tile. */
function columnsPerHalf(tile: Tile): number {
  return Math.max(1, 4 / tile.rowThreads);
}

/** Threads that share a column, each with another part of the step's k. */
function sharing(tile: Tile): number {
  return Math.max(1, tile.rowThreads / 4);
}

interface LoadedColumn {
  readonly half: number;
  /** WGSL of its place in the half. */
  readonly place: string;
}

/** The columns of a thread. */
function columnsOf(tile: Tile): LoadedColumn[] {
  const columns: LoadedColumn[] = [];
  for (let half = 0; half < 2; half++) {
    for (let i = 0; i < columnsPerHalf(tile); i++) {
      columns.push({ half, place: `myColumn + ${i * tileThreads(tile)}u` });
    }
  }
  return columns;
}

/**
 * WGSL of `source(i, mirror)`: the image's pixel that a padded image shows at i, beyond the image if
 * none. `mirror` is twice the image's last pixel, see `MIRRORS`.
 */
export function sourceFunction(mode: PaddingMode): string {
  return mode === 'reflect'
    ? `
fn source(i: i32, mirror: i32) -> i32 {
  // WGSL's abs and unary minus compile to one instruction more.
  let distance = max(i, 0 - i);
  return min(distance, mirror - distance);
}`
    : `
fn source(i: i32, mirror: i32) -> i32 { return i; }`;
}

/** WGSL that defines what `source` needs; before the loop, or it would be computed in every step. */
export const MIRRORS = `
  let mirrorY = 2 * (height - 1);
  let mirrorX = 2 * (width - 1);`;

/** WGSL condition that (y, x) lies in the image of `height` × `width`, without a branch. */
export const INSIDE = '(u32(y) < u32(height)) & (u32(x) < u32(width))';

/** Decodes the thread's columns. Needs `firstColumn`, `axisY`, `axisX` and `firstStep`. */
export function imageSetup({ tile, mode, blocked }: ImageLoader): string {
  const share = sharing(tile);
  const width = 4 * tile.columnThreads;
  const each = tile.depth / share;
  const lines = [
    `  let part = ${share > 1 ? `lane / ${width}u * ${each}u` : '0u'};`,
    `  let myColumn = ${share > 1 ? `lane % ${width}u` : 'lane'};`,
    '  let component = lane % 4u;',
    '  let height = sizes.height;',
    '  let width = sizes.width;',
    MIRRORS,
    '  let planePitch = sizes.planePitch;',
  ];
  if (!blocked) {
    lines.push(`  var tableAt = 2u * parities + firstStep * ${tile.depth}u + part;`);
  } else {
    // Multiples computed before the loop stay there; inside, compilers multiply again in every step.
    for (let k = 0; k < each; k++) lines.push(`  let pitch${k} = ${k}u * planePitch;`);
  }
  columnsOf(tile).forEach(({ half, place }, i) => {
    lines.push(`  let slot${i} = part * ${tile.columnThreads}u + (${place}) / 4u;`);
    const skipped = blocked ? ` + (firstStep * ${tile.depth}u + part) * planePitch` : '';
    lines.push(
      `  let pixel${i} = min(firstColumn + ${half * width}u + ${place}, sizes.columns - 1u);`,
      `  let row${i} = pixel${i} / sizes.gridWidth;`,
      `  let left${i} = i32(pixel${i} % sizes.gridWidth * sizes.stride) + i32(axisX.x);`,
      `  let top${i} = i32(row${i} % sizes.gridHeight * sizes.stride) + i32(axisY.x);`,
      `  let image${i} = row${i} / sizes.gridHeight * sizes.imagePitch${skipped};`,
      ...(blocked ? [`  var at${i} = 0u;`] : []),
      ...(blocked && mode === 'zeros' ? [`  var inside${i} = false;`] : []),
    );
  });
  return lines.join('\n');
}

/** Blocked only: enters tap (t, u). */
export function imageTap({ tile, mode }: ImageLoader): string {
  return columnsOf(tile)
    .map((_, i) => enterTap(mode, i))
    .join('\n');
}

/** Statements that find tap (t, u) of column `i`: `at`, and `inside` unless reflected. */
export function enterTap(mode: PaddingMode, i: number): string {
  return `    {
      let y = source(top${i} + i32(t), mirrorY);
      let x = source(left${i} + i32(u), mirrorX);
${
  mode === 'reflect'
    ? `      at${i} = image${i} + u32(y * width + x);`
    : `      inside${i} = ${INSIDE};
      at${i} = select(image${i}, image${i} + u32(y * width + x), inside${i});`
}
    }`;
}

/** Reads the thread's elements of a step. */
export function imageLoad({ tile, mode, blocked }: ImageLoader): string {
  const lines: string[] = [];
  for (let k = 0; k < tile.depth / sharing(tile); k++) {
    if (!blocked) lines.push(`  let entry${k} = sizes.list[tableAt + ${k}u];`);
    columnsOf(tile).forEach((_, i) => {
      if (blocked) {
        const pixel = `image[at${i} + pitch${k}]`;
        // A reflected pixel always lies in the image.
        const value = mode === 'reflect' ? pixel : `select(0.0, ${pixel}, inside${i})`;
        lines.push(`  let e${k}_${i} = ${value};`);
      } else {
        lines.push(
          `  var e${k}_${i} = 0.0;`,
          '  {',
          `    let y = source(top${i} + i32(entry${k}.y & 0xffffu), mirrorY);`,
          `    let x = source(left${i} + i32(entry${k}.y >> 16u), mirrorX);`,
          `    let inside = ${INSIDE};`,
          `    let at = image${i} + entry${k}.x + u32(y * width + x);`,
          `    e${k}_${i} = select(0.0, image[select(0u, at, inside)], inside);`,
          '  }',
        );
      }
    });
  }
  return lines.join('\n');
}

/** Writes them to the column tile. */
export function imageStore({ tile }: ImageLoader): string {
  const lines: string[] = [];
  columnsOf(tile).forEach(({ half }, i) => {
    for (let k = 0; k < tile.depth / sharing(tile); k++) {
      const vector = `columnTile[${half}][slot${i} + ${k * tile.columnThreads}u]`;
      lines.push(`  ${vector}[component] = e${k}_${i};`);
    }
  });
  return lines.join('\n');
}

/** Goes to the next step. */
export function imageAdvance({ tile, blocked }: ImageLoader): string {
  if (!blocked) return `  tableAt += ${tile.depth}u;`;
  const lines = columnsOf(tile).map((_, i) => `  at${i} += ${tile.depth}u * planePitch;`);
  return lines.join('\n');
}

/** What the table says where k has run out of taps: far beyond every image, reflected or not. */
export const NO_TAP = 0x7fff7fff;

/** The table: two words per k, the channel's place and the tap (t, u). */
export function tapTable(
  channels: number,
  planePitch: number,
  tapsY: number,
  tapsX: number,
  depth: number,
): number[] {
  const words: number[] = [];
  for (let t = 0; t < tapsY; t++) {
    for (let u = 0; u < tapsX; u++) {
      for (let c = 0; c < channels; c++) words.push(c * planePitch, t | (u << 16));
    }
  }
  while (words.length % (2 * depth)) words.push(0, NO_TAP);
  return words;
}
