import { type Kernel, type Plan, spreadWorkgroups } from '../../kernel.ts';
import { type ConvGeometry, flatten, outHeight, outWidth, roundUp } from '../geometry.ts';
import { finishWeights, type PartialWeights } from './finish.ts';
import { MIRRORS, sourceFunction } from './image-loader.ts';
import { eachResult, RESULTS } from './results.ts';
import { stripPlan } from './strip-plan.ts';
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
  tilesFor,
  tileThreads,
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
 * 4, unless there are fewer), k the pixels. The sum is cut into parts, which a second kernel adds in a
 * fixed order and puts into the order of dw. With few channels in or out, `strip-plan.ts` has another kernel.
 */

/** Most input channels whose columns are not padded to vec4s of channels. */
const FEW_CHANNELS = 3;

interface Layout {
  readonly loader: GradientLoader;
  /** Columns of a tap. */
  readonly pitch: number;
  readonly columns: number;
  readonly steps: number;
  /** Parts that workgroups make; slices of a workgroup make parts of these. */
  readonly splits: number;
}

function layoutOf(g: ConvGeometry, choice: TileChoice): Layout {
  const quads = g.inChannels > FEW_CHANNELS;
  const pitch = quads ? roundUp(g.inChannels, 4) : g.inChannels;
  const columns = roundUp(pitch * g.kernelHeight * g.kernelWidth, 4);
  const pixels = g.batch * outHeight(g) * outWidth(g);
  const tile = choice.tile ?? chooseGradientTile(g.outChannels, columns);
  const steps = Math.ceil(pixels / tile.depth);
  const invocations = tileCount(tile, g.outChannels, columns) * tileThreads(tile);
  const length = g.outChannels * columns;
  const splits = chooseSplits({ invocations, steps, terms: pixels, length }, choice.cut);
  const mode = g.padding === 0 ? 'zeros' : g.paddingMode;
  const loader = { tile, mode, quads };
  return { loader, pitch, columns, steps, splits };
}

/** Bindings: the columns' image, the rows' tensor, partial sums, sizes. */
function weightGradientKernel(g: ConvGeometry, layout: Layout): Kernel {
  const { loader, pitch, columns, steps, splits } = layout;
  const { tile, mode, quads } = loader;
  const height = outHeight(g);
  const width = outWidth(g);
  const rowTiles = Math.ceil(g.outChannels / tileRows(tile));
  const columnTiles = Math.ceil(columns / tileColumns(tile));
  const rowsOfStep = Math.floor(tile.depth / width);
  const rowPlane = height * width;
  const plane = g.height * g.width;
  const kind = `${mode}${quads ? '' : '.tabled'}`;
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
      tile.depth % width,
      RESULTS,
      rowPlane,
      0,
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
  rowPlane: u32, none: u32,
  pitches: array<u32, 4>, rowPitches: array<u32, ${loadedRows(tile).length}>,
  ${loader.quads ? '' : 'table: array<vec2u>,'}
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
    if (column >= sizes.columns) { continue; }`,
    `    let o = firstRow + row;
    if (o < sizes.rows) {
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
  const strips = choice.tile ? undefined : stripPlan(g, accumulate, choice.cut);
  if (strips) return strips;
  const layout = layoutOf(g, choice);
  const { splits, columns, pitch } = layout;
  const splitPitch = g.outChannels * columns;
  const weights: PartialWeights = {
    splits,
    splitPitch,
    first: 0,
    outPitch: columns,
    channelPitch: 1,
    tapPitch: pitch,
  };
  const partial = { temporary: 0 };
  return {
    temporaries: [splits * splitPitch],
    steps: [
      {
        kernel: weightGradientKernel(g, layout),
        operands: [{ input: 0 }, { input: 1 }, partial],
      },
      {
        kernel: finishWeights(g, weights, accumulate),
        operands: [partial, { output: 0 }],
      },
    ],
  };
}
