import { type Kernel, type Plan, spreadWorkgroups } from '../../kernel.ts';
import { type ConvGeometry, flatten, outHeight, outWidth, roundUp } from '../geometry.ts';
import { finishWeights } from './finish.ts';
import { INSIDE, MIRRORS, sourceFunction } from './image-loader.ts';
import {
  chooseSplits,
  chooseTile,
  eachResult,
  openSteps,
  RESULTS,
  type Tile,
  type TileChoice,
  tileCode,
  tileColumns,
  tileCount,
  tileKey,
  tileRows,
  tilesFor,
  tileThreads,
} from './tile.ts';

/*
 * Weight gradient on GPUs, an implicit matrix product over pixels:
 *
 *   dw[o, (tap, c)] = Σ_{n,q,j} dy[n,o,q,j] · x̄[n, c, s·q+ky, s·j+kx]
 *
 * Rows are output channels, columns taps and channels with channels fastest (padded to a multiple of
 * 4), k the pixels. Both operands lie along k in memory, so threads take neighbouring pixels, four
 * rows or columns each, and write a vec4 of the tile. A thread keeps its pixel's place up to date by
 * carrying, as one counts in mixed digits; four channels of a tap share one test of bounds.
 *
 * The sum is cut into parts, partial[part][o][tap][c], which a second kernel adds in a fixed order and
 * puts into the order of dw.
 */

interface Layout {
  readonly tile: Tile;
  /** Channels rounded up. */
  readonly pitch: number;
  readonly columns: number;
  readonly steps: number;
  readonly splits: number;
}

function layoutOf(g: ConvGeometry, choice: TileChoice): Layout {
  const pitch = roundUp(g.inChannels, 4);
  const columns = pitch * g.kernelHeight * g.kernelWidth;
  const pixels = g.batch * outHeight(g) * outWidth(g);
  const tile = choice.tile ?? chooseTile(g.outChannels, columns);
  const steps = Math.ceil(pixels / tile.depth);
  const invocations = tileCount(tile, g.outChannels, columns) * tileThreads(tile);
  const length = g.outChannels * columns;
  const splits = chooseSplits({ invocations, steps, terms: pixels, length }, choice.cut);
  return { tile, pitch, columns, steps, splits };
}

/** Threads of a workgroup are dealt out as `quad + 4·(k + depth·rest)`; see `operandSetup`. */
function slotsPerRound(tile: Tile): number {
  return tileThreads(tile) / tile.depth;
}

/** Bindings: x, dy, partial sums, sizes. */
function weightGradientKernel(g: ConvGeometry, layout: Layout): Kernel {
  const { tile, pitch, columns, steps, splits } = layout;
  const height = outHeight(g);
  const width = outWidth(g);
  const rowTiles = Math.ceil(g.outChannels / tileRows(tile));
  const columnTiles = Math.ceil(columns / tileColumns(tile));
  const mode = g.padding === 0 ? 'zeros' : g.paddingMode;
  const rowsOfStep = Math.floor(tile.depth / width);
  return {
    key: `gpu.weightgradient.${tileKey(tile)}.${mode}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(rowTiles * columnTiles * splits),
    constants: [
      rowTiles,
      columnTiles,
      splits,
      Math.ceil(steps / splits),
      steps,
      g.batch,
      height,
      width,
      height * width,
      g.outChannels,
      columns,
      pitch / 4,
      g.kernelWidth,
      g.height,
      g.width,
      g.height * g.width,
      g.inChannels * g.height * g.width,
      g.stride,
      g.padding,
      Math.floor(rowsOfStep / height),
      rowsOfStep % height,
      tile.depth % width,
      RESULTS,
      ...[0, 1, 2, 3].map((e) => e * g.height * g.width),
      ...loadedRows(tile).map((row) => row * height * width),
    ],
    code: () => weightGradientCode(tile, mode),
  };
}

function weightGradientCode(tile: Tile, mode: ConvGeometry['paddingMode']): string {
  const { depth } = tile;
  return tileCode(tile, {
    declarations: `
struct Sizes {
  rowTiles: u32, columnTiles: u32, splits: u32, stepsPerSplit: u32, steps: u32,
  images: u32, outHeight: u32, outWidth: u32, outPlane: u32,
  rows: u32, columns: u32, channelQuads: u32, kernelWidth: u32,
  height: i32, width: i32, planePitch: u32, imagePitch: u32, stride: u32, padding: u32,
  stepImages: u32, stepRows: u32, stepPixels: u32, results: u32,
  pitches: array<u32, 4>, dyPitches: array<u32, ${loadedRows(tile).length}>,
}
@group(0) @binding(0) var<storage, read> image: array<f32>;
@group(0) @binding(1) var<storage, read> cotangent: array<f32>;
@group(0) @binding(2) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${sourceFunction(mode)}`,
    setup: `
  let index = group.y * groups.x + group.x;
  let split = index / (sizes.rowTiles * sizes.columnTiles);
  if (split >= sizes.splits) { return; }
  let firstRow = index % sizes.rowTiles * ${tileRows(tile)}u;
  let firstColumn = index / sizes.rowTiles % sizes.columnTiles * ${tileColumns(tile)}u;
  let firstStep = split * sizes.stepsPerSplit;
  let steps = min(sizes.stepsPerSplit, sizes.steps - firstStep);
  let myK = lane / 4u % ${depth}u;
  let mySlot = lane % 4u + lane / ${4 * depth}u * 4u;
  let slot = myK * ${tile.columnThreads}u + mySlot;
  let height = sizes.height;
  let width = sizes.width;
${MIRRORS}
${operandSetup(tile, mode)}
${pixelSetup(depth)}`,
    open: openSteps('steps'),
    load: operandLoad(tile, mode),
    store: operandStore(tile),
    advance: pixelAdvance(),
    close: '  }',
    finish: results(tile),
  });
}

/** Where the thread's pixel (n, q, j) lies in dy and in x. */
function pixelSetup(depth: number): string {
  return `
  let endLeft = i32(sizes.outWidth * sizes.stride);
  let endTop = i32(sizes.outHeight * sizes.stride);
  let stepLeft = i32(sizes.stepPixels * sizes.stride);
  let stepTop = i32(sizes.stepRows * sizes.stride);
  let stride = i32(sizes.stride);
  let imagePitch = sizes.imagePitch;
  let stepImage = sizes.stepImages * imagePitch;
  // From a pixel of one image's dy to the next image's, when pixels count on.
  let dyGap = (sizes.rows - 1u) * sizes.outPlane;
  let stepDy = ${depth}u + sizes.stepImages * dyGap;
  let endImages = sizes.images * imagePitch;
  let pixel = firstStep * ${depth}u + myK;
  var left = i32(pixel % sizes.outWidth * sizes.stride);
  var top = i32(pixel / sizes.outWidth % sizes.outHeight * sizes.stride);
  var imageAt = pixel / sizes.outPlane * imagePitch;
  var dyAt = pixel / sizes.outPlane * dyGap + pixel;`;
}

/** Goes to the next step's pixel, carrying from j to q to n. */
function pixelAdvance(): string {
  return `
  left += stepLeft;
  let overX = left >= endLeft;
  left = select(left, left - endLeft, overX);
  top += stepTop + select(0, stride, overX);
  let overY = top >= endTop;
  top = select(top, top - endTop, overY);
  imageAt += stepImage + select(0u, imagePitch, overY);
  dyAt += stepDy + select(0u, dyGap, overY);`;
}

/** vec4s of a half of a tile's step that a thread makes, TX or TY being `extent`. */
function rounds(tile: Tile, extent: number): number {
  return Math.ceil(extent / slotsPerRound(tile));
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

/** The quads of rows or columns of a thread. */
function quadsOf(tile: Tile, extent: number): LoadedQuad[] {
  const slots = slotsPerRound(tile);
  const quads: LoadedQuad[] = [];
  for (let half = 0; half < 2; half++) {
    for (let i = 0; i < rounds(tile, extent); i++) {
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
 * All rows of a thread. Their distances, `sizes.dyPitches`, are not multiplied by the shader, as compilers
 * would do that again in every step.
 */
function loadedRows(tile: Tile): number[] {
  return quadsOf(tile, tile.rowThreads).flatMap((quad) => rowsOf(tile, quad));
}

function operandSetup(tile: Tile, mode: ConvGeometry['paddingMode']): string {
  const lines = [0, 1, 2, 3].map((e) => `  let pitch${e} = sizes.pitches[${e}];`);
  lines.push('  let rows = (firstRow + 4u * mySlot) * sizes.outPlane;');
  loadedRows(tile).forEach((row, i) => {
    lines.push(`  let dyPitch${row} = sizes.dyPitches[${i}];`);
  });
  quadsOf(tile, tile.columnThreads).forEach(({ half, place }, i) => {
    lines.push(
      `  let quad${i} = firstColumn / 4u + ${half * tile.columnThreads}u + ${place};`,
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

/**
 * Pixels beyond the last image contribute zero: x̄ is taken as zero there, and dy at pixel 0. Rows
 * and columns beyond the end are multiplied and never stored: anything will do. A reflected pixel
 * always lies in the image.
 */
function operandLoad(tile: Tile, mode: ConvGeometry['paddingMode']): string {
  const lines = [
    '  let exists = imageAt < endImages;',
    '  let dyFrom = select(0u, dyAt, exists) + rows;',
    ...(mode === 'zeros' ? ['  let imageFrom = imageAt + u32(top * width + left);'] : []),
  ];
  quadsOf(tile, tile.rowThreads).forEach((quad, i) => {
    const values = rowsOf(tile, quad).map((row) => `cotangent[dyFrom + dyPitch${row}]`);
    lines.push(`  let dy${i} = vec4f(${values.join(', ')});`);
  });
  quadsOf(tile, tile.columnThreads).forEach((_, i) => {
    const values = [0, 1, 2, 3].map((e) => `image[at + pitch${e}]`);
    const from = mode === 'zeros' ? 'imageFrom' : 'imageAt + u32(y * width + x)';
    lines.push(
      `  var x${i} = vec4f(0.0);`,
      '  {',
      `    let y = source(top + ky${i}, mirrorY);`,
      `    let x = source(left + kx${i}, mirrorX);`,
      `    let inside = ${mode === 'zeros' ? `exists & ${INSIDE}` : 'exists'};`,
      `    let at = ${from} + channel${i};`,
      `    x${i} = select(vec4f(0.0), vec4f(${values.join(', ')}), inside);`,
      '  }',
    );
  });
  return lines.join('\n');
}

function operandStore(tile: Tile): string {
  const lines: string[] = [];
  for (const which of ['row', 'column'] as const) {
    const extent = which === 'row' ? tile.rowThreads : tile.columnThreads;
    quadsOf(tile, extent).forEach(({ half, after, place, spare }, i) => {
      const store =
        which === 'row'
          ? `rowTile[${half}][slot + ${after}u] = dy${i};`
          : `columnTile[slot + ${after + half * tile.depth * tile.columnThreads}u] = x${i};`;
      lines.push(spare ? `  if (${place} < ${extent}u) { ${store} }` : `  ${store}`);
    });
  }
  return lines.join('\n');
}

function results(tile: Tile): string {
  return eachResult(
    tile,
    `    let o = firstRow + row;
    let column = firstColumn + half * ${4 * tile.columnThreads}u + 4u * thread.x;
    if (o < sizes.rows && column < sizes.columns) {
      partial[((split * sizes.rows + o) * sizes.columns + column) / 4u] = value;
    }`,
  );
}

/** Choices besides the usual one that are worth a measurement, by name. */
export function weightGradientChoices(g: ConvGeometry): readonly (readonly [string, TileChoice])[] {
  return tilesFor(g.outChannels).map((tile) => [tileKey(tile), { tile }] as const);
}

/** Inputs: x, dy. Output: dw [O,C,KH,KW], overwritten, or added to if `accumulate`. */
export function gpuWeightGradient(
  geometry: ConvGeometry,
  accumulate: boolean,
  choice: TileChoice = {},
): Plan {
  const g = flatten(geometry);
  const layout = layoutOf(g, choice);
  const { pitch, splits, columns } = layout;
  const partial = { temporary: 0 };
  const taps = g.kernelHeight * g.kernelWidth;
  return {
    temporaries: [splits * g.outChannels * columns],
    steps: [
      {
        kernel: weightGradientKernel(g, layout),
        operands: [{ input: 0 }, { input: 1 }, partial],
      },
      {
        kernel: finishWeights(g.outChannels, g.inChannels, taps, pitch, splits, accumulate),
        operands: [partial, { output: 0 }],
      },
    ],
  };
}
