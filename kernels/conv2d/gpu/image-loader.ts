import type { PaddingMode } from '../geometry.ts';
import type { Correlation } from './correlation-sizes.ts';
import type { Tile } from './tile.ts';

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

/** Columns that a thread serves, neighbours: one vec4 of the tile for each of its k. */
const COLUMNS = [0, 1, 2, 3];

/** Values of k of a step that a thread loads. */
function loadedTerms({ depth, rowThreads }: Tile): number {
  return (2 * depth) / rowThreads;
}

/**
 * WGSL of `source(i, mirror)`: the image's pixel that a padded image shows at i, beyond the image if
 * none. `mirror` is twice the image's last pixel, see `MIRRORS`.
 */
export function sourceFunction(mode: PaddingMode): string {
  return mode === 'reflect'
    ? REFLECTED.replace('reflected', 'source')
    : `
fn source(i: i32, mirror: i32) -> i32 { return i; }`;
}

/** WGSL of `reflected(i, mirror)`, which `source` is with reflection. */
export const REFLECTED = `
fn reflected(i: i32, mirror: i32) -> i32 {
  // WGSL's abs and unary minus compile to one instruction more.
  let distance = max(i, 0 - i);
  return min(distance, mirror - distance);
}`;

/** WGSL that defines what `source` needs; before the loop, or it would be computed in every step. */
export const MIRRORS = `
  let mirrorY = 2 * (height - 1);
  let mirrorX = 2 * (width - 1);`;

/** WGSL condition that (y, x) lies in the image of `height` × `width`, without a branch. */
export const INSIDE = '(u32(y) < u32(height)) & (u32(x) < u32(width))';

/** Decodes the thread's columns. Needs `firstColumn`, `axisY`, `axisX` and `firstStep`. */
export function imageSetup({ tile, mode, blocked }: ImageLoader): string {
  const { columnThreads, depth } = tile;
  const quads = 2 * columnThreads;
  const terms = loadedTerms(tile);
  const lines = [
    `  let part = lane / ${quads}u * ${terms}u;`,
    `  let myQuad = lane % ${quads}u;`,
    `  let inHalf = myQuad % ${columnThreads}u + myQuad / ${columnThreads}u * ${depth * columnThreads}u;`,
    `  let slot = part * ${columnThreads}u + inHalf;`,
    '  let height = sizes.height;',
    '  let width = sizes.width;',
    MIRRORS,
    '  let planePitch = sizes.planePitch;',
  ];
  if (blocked) {
    // The same for all threads, so that counting on is left to scalar instructions.
    lines.push(`  let firstOffset = firstStep * ${depth}u * planePitch;`);
  } else {
    lines.push(`  var tableAt = 2u * parities + firstStep * ${depth}u + part;`);
  }
  for (const i of COLUMNS) {
    const skipped = blocked ? ' + part * planePitch' : '';
    lines.push(
      `  let pixel${i} = min(firstColumn + 4u * myQuad + ${i}u, sizes.columns - 1u);`,
      `  let row${i} = pixel${i} / sizes.gridWidth;`,
      `  let left${i} = i32(pixel${i} % sizes.gridWidth * sizes.stride) + i32(axisX.x);`,
      `  let top${i} = i32(row${i} % sizes.gridHeight * sizes.stride) + i32(axisY.x);`,
      `  let image${i} = row${i} / sizes.gridHeight * sizes.imagePitch${skipped};`,
      ...(blocked ? [`  var at${i} = 0u;`] : []),
      ...(blocked && mode === 'zeros' ? [`  var inside${i} = false;`] : []),
    );
    if (!blocked && mode === 'zeros') {
      // May lie before the image, or be beyond it with a tap: what is loaded there does not count.
      lines.push(`  let corner${i} = image${i} + u32(top${i} * width + left${i});`);
    }
  }
  if (!blocked && mode === 'zeros')
    lines.push(insideMask('Y', 'top', 'height'), insideMask('X', 'left', 'width'));
  return lines.join('\n');
}

/** Taps along an axis that `insideMask` has bits for. */
export const MOST_TABLED_TAPS = 7;

/** Bit t of byte i tells whether tap t of column i lies in the image; bit 7 is never set. */
function insideMask(axis: string, start: string, extent: string): string {
  const bits = COLUMNS.map((i) => {
    const low = `clamp(-${start}${i}, 0, ${MOST_TABLED_TAPS})`;
    const high = `clamp(${extent} - ${start}${i}, 0, ${MOST_TABLED_TAPS})`;
    return `  inside${axis} |= ((1u << u32(max(${high}, ${low}))) - (1u << u32(${low}))) << ${8 * i}u;`;
  });
  return [`  var inside${axis} = 0u;`, ...bits].join('\n');
}

/** Blocked only: enters tap (t, u). */
export function imageTap({ mode }: ImageLoader): string {
  const lines = COLUMNS.map((i) => enterTap(mode, i));
  return ['  var offset = firstOffset;', ...lines].join('\n');
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
export function imageLoad(loader: ImageLoader): string {
  return Array.from({ length: loadedTerms(loader.tile) }, (_, k) =>
    loader.blocked ? termOfTap(loader.mode, k) : termOfTable(loader.mode, k),
  ).join('\n');
}

function termOfTap(mode: PaddingMode, k: number): string {
  const values = COLUMNS.map((i) => {
    const pixel = `image[at${i} + offset${k}]`;
    // A reflected pixel always lies in the image.
    return mode === 'reflect' ? pixel : `select(0.0, ${pixel}, inside${i})`;
  });
  return `
  let offset${k} = offset${k > 0 ? ` + ${k}u * planePitch` : ''};
  let e${k} = vec4f(${values.join(', ')});`;
}

function termOfTable(mode: PaddingMode, k: number): string {
  const values = COLUMNS.map((i) =>
    mode === 'reflect'
      ? `
    let y${i} = source(top${i} + i32(entry.y & 0xffffu), mirrorY);
    let x${i} = source(left${i} + i32(entry.y >> 16u), mirrorX);
    e${k}[${i}] = image[image${i} + entry.x + u32(y${i} * width + x${i})];`
      : `
    let pixel${i} = bitcast<i32>(image[corner${i} + entry.x]);
    e${k}[${i}] = bitcast<f32>(pixel${i} & extractBits(bitcast<i32>(inside), ${8 * i}u, 1u));`,
  );
  return `
  var e${k} = vec4f(0.0);
  {
    let entry = sizes.list[tableAt + ${k}u];
    ${mode === 'zeros' ? 'let inside = (insideY >> (entry.y & 31u)) & (insideX >> (entry.y >> 16u));' : ''}${values.join('')}
  }`;
}

/** Writes them to the column tile. */
export function imageStore({ tile }: ImageLoader): string {
  return Array.from(
    { length: loadedTerms(tile) },
    (_, k) => `  columnTile[slot + ${k * tile.columnThreads}u] = e${k};`,
  ).join('\n');
}

/** Goes to the next step. */
export function imageAdvance({ tile, blocked }: ImageLoader): string {
  return blocked ? `  offset += ${tile.depth}u * planePitch;` : `  tableAt += ${tile.depth}u;`;
}

/**
 * The table: two words per k, where its pixel lies and the tap (t, u). Where k has run out of taps it is
 * multiplied by zero: with zeros around, by a tap that lies in no image, and with reflection by the first.
 */
export function tapTable(
  { channels, height, width, tapsY, tapsX, mode }: Correlation,
  depth: number,
): number[] {
  const words: number[] = [];
  for (let t = 0; t < tapsY; t++) {
    for (let u = 0; u < tapsX; u++) {
      const corner = mode === 'zeros' ? t * width + u : 0;
      for (let c = 0; c < channels; c++) words.push(c * height * width + corner, t | (u << 16));
    }
  }
  while (words.length % (2 * depth)) words.push(0, mode === 'zeros' ? MOST_TABLED_TAPS : 0);
  return words;
}
