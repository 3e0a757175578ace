import type { PaddingMode } from '../geometry.ts';
import { INSIDE } from './image-loader.ts';
import { halfTile, type Tile, tilePitch, tileThreads } from './tile.ts';

/*
 * Loads both operands of a weight gradient. Both lie along k, the pixels, in memory, so threads take
 * neighbouring pixels, four rows or columns each, and write a vec4 of the tile. A thread keeps its pixel's
 * place up to date by carrying, as one counts in mixed digits.
 */

export interface GradientLoader {
  readonly tile: Tile;
  /** Of the image that columns are taken from. */
  readonly mode: PaddingMode;
  /**
   * Whether four columns are four channels of one tap, which share one test of bounds. Otherwise, with
   * less than four channels, a table lists place and tap of each column.
   */
  readonly quads: boolean;
}

/** Threads are dealt out as `quad + group·(k + depth·rest)`; see `placeSetup`. */
function slotsPerRound(tile: Tile): number {
  return tileThreads(tile) / tile.depth;
}

/** Statements that tell the thread its k, and where it stores. */
export function placeSetup(tile: Tile): string {
  const { depth } = tile;
  const pitch = tilePitch(tile);
  const group = Math.min(4, slotsPerRound(tile));
  return `
  let myK = lane / ${group}u % ${depth}u;
  let mySlot = lane % ${group}u + lane / ${group * depth}u * ${group}u;
  let slot = myK * ${pitch}u + mySlot;`;
}

/** Where the thread's pixel (n, q, j) lies in both tensors. */
export function pixelSetup({ tile: { depth } }: GradientLoader): string {
  return `
  let endLeft = i32(sizes.outWidth * sizes.stride);
  let endTop = i32(sizes.outHeight * sizes.stride);
  let stepLeft = i32(sizes.stepPixels * sizes.stride);
  let stepTop = i32(sizes.stepRows * sizes.stride);
  let stride = i32(sizes.stride);
  let imagePitch = sizes.imagePitch;
  let stepImage = sizes.stepImages * imagePitch;
  // From one image to the next in the tensor of the rows, what comes on top of counting pixels.
  let rowGap = (sizes.rows - 1u) * sizes.rowPlane;
  let stepRowsAt = ${depth}u + sizes.stepImages * rowGap;
  let endImages = sizes.images * imagePitch;
  let pixel = firstStep * ${depth}u + myK;
  var left = i32(pixel % sizes.outWidth * sizes.stride);
  var top = i32(pixel / sizes.outWidth % sizes.outHeight * sizes.stride);
  let outPlane = sizes.outWidth * sizes.outHeight;
  var imageAt = pixel / outPlane * imagePitch;
  var rowsAt = pixel / outPlane * rowGap + pixel;`;
}

/** Goes to the next step's pixel, carrying from j to q to n. */
export function pixelAdvance(): string {
  return `
  left += stepLeft;
  let overX = left >= endLeft;
  left = select(left, left - endLeft, overX);
  top += stepTop + select(0, stride, overX);
  let overY = top >= endTop;
  top = select(top, top - endTop, overY);
  imageAt += stepImage + select(0u, imagePitch, overY);
  rowsAt += stepRowsAt + select(0u, rowGap, overY);`;
}

interface LoadedQuad {
  readonly half: number;
  /** The quad's place is `mySlot` plus this. */
  readonly after: number;
  /** WGSL of its place in the half. */
  readonly place: string;
  /** Whether some threads have none. */
  readonly spare: boolean;
}

/** The quads of rows or columns of a thread, TY or TX being `extent`. */
function quadsOf(tile: Tile, extent: number): LoadedQuad[] {
  const slots = slotsPerRound(tile);
  const quads: LoadedQuad[] = [];
  for (let half = 0; half < 2; half++) {
    for (let i = 0; i < Math.ceil(extent / slots); i++) {
      const after = i * slots;
      quads.push({ half, after, place: `mySlot + ${after}u`, spare: slots > extent });
    }
  }
  return quads;
}

/** The rows of a quad, from the first row of quad `mySlot` of the first half. */
function rowsOf(tile: Tile, { half, after }: LoadedQuad): number[] {
  return [0, 1, 2, 3].map((e) => 4 * (half * tile.rowThreads + after) + e);
}

/**
 * All rows of a thread. Their distances, `sizes.rowPitches`, are not multiplied by the shader, as compilers
 * would do that again in every step.
 */
export function loadedRows(tile: Tile): number[] {
  return quadsOf(tile, tile.rowThreads).flatMap((quad) => rowsOf(tile, quad));
}

/** What lies fixed of the thread's rows and columns. */
export function operandSetup(loader: GradientLoader): string {
  const { tile, mode, quads } = loader;
  const lines = ['  let rows = (firstRow + 4u * mySlot) * sizes.rowPlane;'];
  loadedRows(tile).forEach((row, i) => {
    lines.push(`  let rowPitch${row} = sizes.rowPitches[${i}];`);
  });
  if (quads) for (const e of ELEMENTS) lines.push(`  let pitch${e} = sizes.pitches[${e}];`);
  quadsOf(tile, tile.columnThreads).forEach(({ half, place }, i) => {
    lines.push(`  let quad${i} = firstColumn / 4u + ${half * tile.columnThreads}u + ${place};`);
    if (!quads) {
      for (const e of ELEMENTS) {
        lines.push(
          `  let column${i}_${e} = sizes.table[min(4u * quad${i} + ${e}u, sizes.columns - 1u)];`,
          `  let ky${i}_${e} = extractBits(bitcast<i32>(column${i}_${e}.y), 0u, 16u);`,
          `  let kx${i}_${e} = bitcast<i32>(column${i}_${e}.y) >> 16u;`,
          `  let place${i}_${e} = column${i}_${e}.x;`,
        );
      }
      return;
    }
    lines.push(
      `  let tap${i} = quad${i} / sizes.channelQuads;`,
      `  let ky${i} = i32(tap${i} / sizes.kernelWidth) - i32(sizes.padding);`,
      `  let kx${i} = i32(tap${i} % sizes.kernelWidth) - i32(sizes.padding);`,
      `  let channel${i} = quad${i} % sizes.channelQuads * 4u * sizes.planePitch${
        mode === 'zeros' ? ` + u32(ky${i} * width + kx${i})` : ''
      };`,
    );
  });
  return lines.join('\n');
}

const ELEMENTS = [0, 1, 2, 3];

/**
 * The table of columns (tap, channel): where its pixel lies from that of the thread, and the tap.
 * Its last entries, up to a multiple of four, stand for columns that are never stored.
 */
export function columnTable(
  kernelHeight: number,
  kernelWidth: number,
  channels: number,
  padding: number,
  image: { readonly mode: PaddingMode; readonly height: number; readonly width: number },
): number[] {
  const words: number[] = [];
  for (let ky = -padding; ky < kernelHeight - padding; ky++) {
    for (let kx = -padding; kx < kernelWidth - padding; kx++) {
      for (let c = 0; c < channels; c++) {
        const corner = image.mode === 'zeros' ? ky * image.width + kx : 0;
        const tap = (ky & 0xffff) | (kx << 16);
        words.push((c * image.height * image.width + corner) >>> 0, tap >>> 0);
      }
    }
  }
  while (words.length % 8) words.push(0, 0);
  return words;
}

/**
 * Reads the thread's elements. Pixels beyond the last image contribute zero: x̄ is taken as zero there, and
 * dy at pixel 0. Rows and columns beyond the end are multiplied and never stored: anything will do. A
 * reflected pixel always lies in the image.
 */
export function operandLoad(loader: GradientLoader): string {
  const { tile, mode, quads } = loader;
  const lines = [
    '  let exists = imageAt < endImages;',
    '  let rowsFrom = select(0u, rowsAt, exists) + rows;',
    ...(mode === 'zeros' ? ['  let imageFrom = imageAt + u32(top * width + left);'] : []),
  ];
  quadsOf(tile, tile.rowThreads).forEach((quad, i) => {
    const values = rowsOf(tile, quad).map((row) => `cotangent[rowsFrom + rowPitch${row}]`);
    lines.push(`  let r${i} = vec4f(${values.join(', ')});`);
  });
  const columns = quadsOf(tile, tile.columnThreads);
  lines.push(...columns.map((_, i) => (quads ? channelQuad(mode, i) : tabledQuad(mode, i))));
  return lines.join('\n');
}

/** Four channels of one tap. */
function channelQuad(mode: PaddingMode, i: number): string {
  const values = ELEMENTS.map((e) => `image[at + pitch${e}]`);
  const from = mode === 'zeros' ? 'imageFrom' : 'imageAt + u32(y * width + x)';
  return `
  var x${i} = vec4f(0.0);
  {
    let y = source(top + ky${i}, mirrorY);
    let x = source(left + kx${i}, mirrorX);
    let inside = ${mode === 'zeros' ? `exists & ${INSIDE}` : 'exists'};
    let at = ${from} + channel${i};
    x${i} = select(vec4f(0.0), vec4f(${values.join(', ')}), inside);
  }`;
}

/** Four columns of the table. */
function tabledQuad(mode: PaddingMode, i: number): string {
  const from = mode === 'zeros' ? 'imageFrom' : 'imageAt + u32(y * width + x)';
  const values = ELEMENTS.map(
    (e) => `
  {
    let y = source(top + ky${i}_${e}, mirrorY);
    let x = source(left + kx${i}_${e}, mirrorX);
    let inside = ${mode === 'zeros' ? `exists & ${INSIDE}` : 'exists'};
    x${i}[${e}] = select(0.0, image[${from} + place${i}_${e}], inside);
  }`,
  );
  return `\n  var x${i} = vec4f(0.0);${values.join('')}`;
}

/** Writes them to the tiles. */
export function operandStore(tile: Tile): string {
  const half = halfTile(tile);
  const stores = (
    extent: number,
    store: (quad: LoadedQuad, i: number) => string,
  ): readonly string[] =>
    quadsOf(tile, extent).map((quad, i) =>
      quad.spare
        ? `  if (${quad.place} < ${extent}u) { ${store(quad, i)} }`
        : `  ${store(quad, i)}`,
    );
  return [
    ...stores(
      tile.rowThreads,
      (quad, i) => `rowTile[${quad.half}][slot + ${quad.after}u] = r${i};`,
    ),
    ...stores(
      tile.columnThreads,
      (quad, i) => `columnTile[slot + ${quad.after + quad.half * half}u] = x${i};`,
    ),
  ].join('\n');
}
