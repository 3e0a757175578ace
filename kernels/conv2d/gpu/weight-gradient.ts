import { type Kernel, type Plan, spreadWorkgroups } from '../../kernel.ts';
import { type ConvGeometry, flatten, outHeight, outWidth, roundUp } from '../geometry.ts';
import { finishWeights, type PartialWeights } from './finish.ts';
import { MIRRORS, REFLECTED, sourceFunction } from './image-loader.ts';
import { eachResult, RESULTS } from './results.ts';
import {
  chooseGradientTile,
  chooseSplits,
  openSteps,
  TILES,
  type Tile,
  type TileChoice,
  tileCode,
  tileColumns,
  tileCount,
  tileKey,
  tileRows,
  tileSlices,
  tilesFor,
  workgroupThreads,
} from './tile.ts';
import {
  columnTable,
  type GradientLoader,
  loadedRows,
  operandLoad,
  operandSetup,
  operandStore,
  pixelAdvance,
  pixelSetup,
  placeSetup,
} from './weight-gradient-loader.ts';

/*
 * Weight gradient on GPUs, an implicit matrix product over pixels:
 *
 *   dw[o, (tap, c)] = Σ_{n,q,j} dy[n,o,q,j] · x̄[n, c, s·q+ky, s·j+kx]
 *
 * Rows are output channels, columns taps and channels with channels fastest (padded to a multiple of
 * 4, unless there are fewer), k the pixels. With very few output channels and stride 1 the roles are
 * changed: rows are input channels, columns the taps of dy,
 *
 *   dw[(tap, o), c] = Σ_{n,y,x} x̄[n,c,y,x] · dy[n, o, y-ky, x-kx]
 *
 * so that each pixel of x is loaded once. The sum is cut into parts, which a second kernel adds in a
 * fixed order and puts into the order of dw.
 */

/** The convolution whose weight gradient is summed, perhaps with the roles of x and dy changed. */
interface Summed {
  /** `outChannels` rows; columns are taps and `inChannels`. */
  readonly geometry: ConvGeometry;
  /** Of the rows' tensor, if its margins are reflected: pixels of the sum include them. */
  readonly mirrored?: { readonly height: number; readonly width: number; readonly margin: number };
}

/** Most output channels, and most columns, for changed roles. */
const FEW_CHANNELS = 3;
const FEW_COLUMNS = 32;

/** The same sum with rows and columns exchanged, where that leaves fewer rows or columns empty. */
function exchanged(g: ConvGeometry): Summed | undefined {
  const { outChannels, inChannels, kernelHeight, kernelWidth, padding, height, width } = g;
  const isSquare = kernelHeight === kernelWidth && kernelHeight > 1;
  const isFew = outChannels <= FEW_CHANNELS && outChannels * kernelHeight ** 2 <= FEW_COLUMNS;
  if (!isSquare || !isFew || g.stride !== 1 || inChannels < 4 * outChannels) return undefined;
  const mirrors = g.paddingMode === 'reflect' && padding > 0;
  const most = kernelHeight - 1;
  if (!mirrors && padding > most) return undefined;
  return {
    geometry: {
      ...g,
      inChannels: outChannels,
      outChannels: inChannels,
      height: outHeight(g),
      width: outWidth(g),
      padding: mirrors ? most : most - padding,
      paddingMode: 'zeros',
    },
    ...(mirrors ? { mirrored: { height, width, margin: padding } } : {}),
  };
}

interface Layout {
  readonly loader: GradientLoader;
  /** Columns of a tap. */
  readonly pitch: number;
  readonly columns: number;
  readonly steps: number;
  /** Parts that workgroups make; slices of a workgroup make parts of these. */
  readonly splits: number;
}

function layoutOf({ geometry: g, mirrored }: Summed, choice: TileChoice): Layout {
  const quads = g.inChannels > FEW_CHANNELS;
  const pitch = quads ? roundUp(g.inChannels, 4) : g.inChannels;
  const columns = roundUp(pitch * g.kernelHeight * g.kernelWidth, 4);
  const pixels = g.batch * outHeight(g) * outWidth(g);
  const tile = choice.tile ?? chooseGradientTile(g.outChannels, columns);
  const steps = Math.ceil(pixels / (tile.depth * tileSlices(tile)));
  const invocations = tileCount(tile, g.outChannels, columns) * workgroupThreads(tile);
  const length = g.outChannels * columns * tileSlices(tile);
  // Slices cut the sum as well.
  const terms = pixels / tileSlices(tile);
  const splits = chooseSplits({ invocations, steps, terms, length }, choice.cut);
  const mode = g.padding === 0 ? 'zeros' : g.paddingMode;
  const loader = { tile, mode, quads, mirrored: mirrored !== undefined };
  return { loader, pitch, columns, steps, splits };
}

/** Bindings: the columns' image, the rows' tensor, partial sums, sizes. */
function weightGradientKernel({ geometry: g, mirrored }: Summed, layout: Layout): Kernel {
  const { loader, pitch, columns, steps, splits } = layout;
  const { tile, mode, quads } = loader;
  const height = outHeight(g);
  const width = outWidth(g);
  const rowTiles = Math.ceil(g.outChannels / tileRows(tile));
  const columnTiles = Math.ceil(columns / tileColumns(tile));
  const depth = tile.depth * tileSlices(tile);
  const rowsOfStep = Math.floor(depth / width);
  const rows = mirrored ?? { height, width, margin: 0 };
  const rowPlane = rows.height * rows.width;
  const plane = g.height * g.width;
  const kind = `${mode}${quads ? '' : '.tabled'}${mirrored ? '.mirrored' : ''}`;
  return {
    key: `gpu.weightgradient.${tileKey(tile)}.${kind}`,
    bindings: ['read', 'read', 'write', 'read'],
    tiles: TILES,
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
      g.outChannels,
      columns,
      pitch / 4,
      g.kernelWidth,
      g.height,
      g.width,
      plane,
      g.inChannels * plane,
      g.stride,
      g.padding,
      Math.floor(rowsOfStep / height),
      rowsOfStep % height,
      depth % width,
      RESULTS,
      rowPlane,
      rows.height,
      rows.width,
      rows.margin,
      ...[0, 1, 2, 3].map((e) => e * plane),
      ...loadedRows(tile).map((row) => row * rowPlane),
      ...(quads
        ? []
        : columnTable(g.kernelHeight, g.kernelWidth, g.inChannels, g.padding, { ...g, mode })),
    ],
    code: () => weightGradientCode(loader),
  };
}

function weightGradientCode(loader: GradientLoader): string {
  const { tile, mode } = loader;
  return tileCode(tile, {
    declarations: `
struct Sizes {
  rowTiles: u32, columnTiles: u32, splits: u32, stepsPerSplit: u32, steps: u32,
  images: u32, outHeight: u32, outWidth: u32,
  rows: u32, columns: u32, channelQuads: u32, kernelWidth: u32,
  height: i32, width: i32, planePitch: u32, imagePitch: u32, stride: u32, padding: u32,
  stepImages: u32, stepRows: u32, stepPixels: u32, results: u32,
  rowPlane: u32, rowHeight: i32, rowWidth: i32, rowMargin: i32,
  pitches: array<u32, 4>, rowPitches: array<u32, ${loadedRows(tile).length}>,
  ${loader.quads ? '' : 'table: array<vec2u>,'}
}
@group(0) @binding(0) var<storage, read> image: array<f32>;
@group(0) @binding(1) var<storage, read> cotangent: array<f32>;
@group(0) @binding(2) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${sourceFunction(mode)}
${loader.mirrored ? REFLECTED : ''}`,
    setup: `
  let index = group.y * groups.x + group.x;
  let split = index / (sizes.rowTiles * sizes.columnTiles);
  if (split >= sizes.splits) { return; }
  let firstRow = index % sizes.rowTiles * ${tileRows(tile)}u;
  let firstColumn = index / sizes.rowTiles % sizes.columnTiles * ${tileColumns(tile)}u;
  let firstStep = split * sizes.stepsPerSplit;
  let steps = min(sizes.stepsPerSplit, sizes.steps - firstStep);
  let height = sizes.height;
  let width = sizes.width;
${MIRRORS}
${placeSetup(tile)}
${operandSetup(loader)}
${pixelSetup(loader)}`,
    open: openSteps('steps'),
    load: operandLoad(loader),
    store: operandStore(tile),
    advance: pixelAdvance(),
    close: '  }',
    finish: results(tile),
  });
}

function results(tile: Tile): string {
  return eachResult(
    tile,
    `
    let column = firstColumn + half * ${4 * tile.columnThreads}u + 4u * thread.x;
    let part = split * ${tileSlices(tile)}u + thread.z;
    if (column >= sizes.columns) { continue; }`,
    `    let o = firstRow + row;
    if (o < sizes.rows) {
      partial[((part * sizes.rows + o) * sizes.columns + column) / 4u] = value;
    }`,
  );
}

/** Where a weight's partial results lie. */
function partialWeights(g: ConvGeometry, isExchanged: boolean, layout: Layout): PartialWeights {
  const { loader, pitch, columns } = layout;
  const splits = layout.splits * tileSlices(loader.tile);
  const taps = g.kernelHeight * g.kernelWidth;
  return isExchanged
    ? {
        splits,
        splitPitch: g.inChannels * columns,
        // dy meets the taps backwards.
        first: (taps - 1) * pitch,
        outPitch: 1,
        channelPitch: columns,
        tapPitch: -pitch,
      }
    : {
        splits,
        splitPitch: g.outChannels * columns,
        first: 0,
        outPitch: columns,
        channelPitch: 1,
        tapPitch: pitch,
      };
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
  const swapped = choice.tile ? undefined : exchanged(g);
  const summed = swapped ?? { geometry: g };
  const layout = layoutOf(summed, choice);
  const weights = partialWeights(g, swapped !== undefined, layout);
  const [x, dy] = [{ input: 0 }, { input: 1 }];
  const partial = { temporary: 0 };
  return {
    temporaries: [weights.splits * weights.splitPitch],
    steps: [
      {
        kernel: weightGradientKernel(summed, layout),
        operands: swapped ? [dy, x, partial] : [x, dy, partial],
      },
      {
        kernel: finishWeights(g, weights, accumulate),
        operands: [partial, { output: 0 }],
      },
    ],
  };
}
