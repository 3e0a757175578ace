import { type Kernel, spreadWorkgroups } from '../../kernel.ts';
import { roundUp } from '../geometry.ts';
import {
  CORRELATION_SIZES,
  type Correlation,
  type CorrelationKernel,
  correlationSizes,
  EPILOGUE,
  gridOf,
  pixelPlaces,
  resultLength,
  STORE_QUAD,
  storePixels,
  storesQuads,
  withoutBorder,
  workgroupPart,
} from './correlation-sizes.ts';
import {
  type ImageLoader,
  imageAdvance,
  imageLoad,
  imageSetup,
  imageStore,
  imageTap,
  MOST_TABLED_TAPS,
  sourceFunction,
  tapTable,
} from './image-loader.ts';
import { eachResult, RESULTS } from './results.ts';
import {
  chooseSplits,
  chooseTile,
  openSteps,
  TILES,
  type Tile,
  type TileChoice,
  tileCode,
  tileColumns,
  tileCount,
  tileKey,
  tileRows,
  tileThreads,
} from './tile.ts';
import { weightsLoad, weightsSetup, weightsStore } from './weights.ts';

/* Correlations by tiles in workgroup memory. */

interface Layout {
  readonly tile: Tile;
  readonly blocked: boolean;
  /** Steps of k within one tap (blocked), or in all. */
  readonly steps: number;
  readonly splits: number;
}

/** Rows of threads below which narrow tiles, without workgroup memory, do the same with fewer instructions. */
const LEAST_ROW_THREADS = 8;

/** Whether a tile suits, and k can run over the taps as it has it; see `image-loader.ts`. */
export function canTile(spec: Correlation, tile: Tile = chooseTile(spec.rows, Infinity)): boolean {
  if (tile.rowThreads < LEAST_ROW_THREADS) return false;
  const isBlocked = spec.channels % tile.depth === 0;
  return isBlocked || Math.max(spec.tapsY, spec.tapsX) <= MOST_TABLED_TAPS;
}

function layoutOf(spec: Correlation, { tile: chosen, cut }: TileChoice): Layout {
  const parities = spec.parities.length ** 2;
  const { columns } = gridOf(spec);
  const tile = chosen ?? chooseTile(spec.rows, columns);
  const blocked = spec.channels % tile.depth === 0;
  const taps = spec.tapsY * spec.tapsX;
  const steps = Math.ceil((blocked ? spec.channels : taps * spec.channels) / tile.depth);
  const splits = chooseSplits(
    {
      invocations: tileCount(tile, spec.rows, columns) * parities * tileThreads(tile),
      steps,
      terms: taps * spec.channels,
      length: resultLength(spec),
    },
    cut,
  );
  return { tile, blocked, steps, splits };
}

/** Bindings: image, packed weights, bias (any storage if there is none), output, sizes. */
function correlate(given: Correlation, { tile, blocked, steps, splits }: Layout): Kernel {
  const spec = blocked ? withoutBorder(given) : given;
  const isDense = storesQuads(spec);
  const loader: ImageLoader = { tile, mode: spec.mode, blocked };
  const parities = spec.parities.length ** 2;
  const rowTiles = Math.ceil(spec.rows / tileRows(tile));
  const columnTiles = Math.ceil(gridOf(spec).columns / tileColumns(tile));
  const rowQuads = Math.ceil(spec.rows / 4);
  return {
    key: `gpu.correlate.${tileKey(tile)}.${spec.mode}.${blocked ? 'b' : 't'}${isDense ? 'v' : 's'}`,
    bindings: ['read', 'read', 'read', 'write', 'read'],
    tiles: TILES,
    workgroups: spreadWorkgroups(rowTiles * parities * columnTiles * splits),
    constants: correlationSizes(
      spec,
      { rowTiles, columnTiles, steps, splits, rowQuads, results: RESULTS },
      blocked ? [] : tapTable(spec, tile.depth),
    ),
    code: () => correlateCode(loader, isDense),
  };
}

function correlateCode(loader: ImageLoader, dense: boolean): string {
  const { tile, mode, blocked } = loader;
  return tileCode(tile, {
    declarations: `
@group(0) @binding(0) var<storage, read> image: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<${dense ? 'vec4f' : 'f32'}>;
${CORRELATION_SIZES}
${sourceFunction(mode)}`,
    setup: `
${workgroupPart(tileRows(tile), tileColumns(tile))}
  let weightsStep = ${tile.depth}u * sizes.rowQuads;
${imageSetup(loader)}
${weightsSetup(tile)}`,
    open: blocked
      ? `
  for (var t = axisY.y; t < sizes.tapsY; t++) {
  for (var u = axisX.y; u < sizes.tapsX; u++) {
    var weightsAt = ((parity * sizes.tapsY + t) * sizes.tapsX + u) * sizes.steps + firstStep;
    weightsAt *= weightsStep;
${imageTap(loader)}
${openSteps('steps')}`
      : `
  var weightsAt = (parity * sizes.steps + firstStep) * weightsStep;
${openSteps('steps')}`,
    load: `${weightsLoad(tile)}\n${imageLoad(loader)}`,
    store: `${weightsStore(tile)}\n${imageStore(loader)}`,
    advance: `  weightsAt += weightsStep;\n${imageAdvance(loader)}`,
    close: blocked ? '  }}}' : '  }',
    finish: dense ? denseResults(tile) : scatteredResults(tile),
  });
}

/** Leaves out rows beyond the end. */
const ROW = `
    let o = firstRow + row;
    if (o >= sizes.rows) { continue; }
${EPILOGUE}`;

/** Four columns are four neighbours of one plane. */
function denseResults(tile: Tile): string {
  return eachResult(
    tile,
    `
    let column = firstColumn + half * ${4 * tile.columnThreads}u + 4u * thread.x;
    if (column >= sizes.columns) { continue; }
    let place = split * sizes.resultPitch + column % sizes.outPlane +
      column / sizes.outPlane * sizes.rows * sizes.outPlane;`,
    `${ROW}${STORE_QUAD}`,
  );
}

/** Every column by itself: parities interleave in memory, or a plane is no multiple of 4. */
function scatteredResults(tile: Tile): string {
  const column = `firstColumn + half * ${4 * tile.columnThreads}u + 4u * thread.x + i`;
  return eachResult(tile, pixelPlaces(4, column), `${ROW}${storePixels(4)}`);
}

/** By the usual tile, or the one that was chosen. */
export function tileCorrelation(spec: Correlation, choice: TileChoice): CorrelationKernel {
  const layout = layoutOf(spec, choice);
  const { splits, tile } = layout;
  return {
    kernel: correlate(spec, layout),
    splits,
    depth: tile.depth,
    groupRows: roundUp(spec.rows, 4),
  };
}
