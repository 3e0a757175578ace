import type { Activation } from '../../activation.ts';
import { floatBits, type Kernel, type Operand, type Plan, spreadWorkgroups } from '../../kernel.ts';
import { EPILOGUE_ACTIVATION, epilogueCode, epilogueSlope } from '../epilogue.ts';
import type { PaddingMode } from '../geometry.ts';
import { finishSplits } from './finish.ts';
import {
  type ImageLoader,
  imageAdvance,
  imageLoad,
  imageSetup,
  imageStore,
  imageTap,
  sourceFunction,
  tapTable,
} from './image-loader.ts';
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
} from './tile.ts';
import {
  type PackedWeights,
  packedLength,
  packWeights,
  weightsLoad,
  weightsSetup,
  weightsStore,
} from './weights.ts';

/*
 * The core that convolution (stride s in, dense out) and its data gradient (dense in, stride P out)
 * share on GPUs, an implicit matrix product of packed weights and image pixels:
 *
 *   y[n, r, P·q+a, P·j+b] = f(bias[r] + Σ_{t,u,c} W[a,b][t,u,c,r] · x̄[n, c, s·q+A[a]+t, s·j+B[b]+u])
 *
 * Rows of the product are output channels, columns the pixels of the grid (n, q, j), k the taps and
 * channels. All parities (a, b) run in one dispatch. Sizes are constants of the dispatch, so one
 * pipeline serves all layers with the same tile, P and padding mode.
 */

export interface Correlation {
  readonly batch: number;
  /** Channels summed over. */
  readonly channels: number;
  /** Output channels. */
  readonly rows: number;
  readonly height: number;
  readonly width: number;
  readonly mode: PaddingMode;
  /** Step in the image from one grid pixel to the next. */
  readonly stride: number;
  readonly tapsY: number;
  readonly tapsX: number;
  /** For each parity, P in all: where the taps start, and the first tap that is not zero throughout. */
  readonly parities: readonly {
    readonly originY: number;
    readonly firstY: number;
    readonly originX: number;
    readonly firstX: number;
  }[];
  readonly outHeight: number;
  readonly outWidth: number;
  readonly bias: boolean;
  readonly activation: Activation;
}

interface Layout {
  readonly tile: Tile;
  readonly blocked: boolean;
  /** Steps of k within one tap (blocked), or in all. */
  readonly steps: number;
  readonly splits: number;
  readonly gridHeight: number;
  readonly gridWidth: number;
  readonly columns: number;
  /** Whether four columns are four neighbours in memory. */
  readonly dense: boolean;
}

function layoutOf(spec: Correlation, choice: TileChoice): Layout {
  const count = spec.parities.length;
  const gridHeight = Math.ceil(spec.outHeight / count);
  const gridWidth = Math.ceil(spec.outWidth / count);
  const columns = spec.batch * gridHeight * gridWidth;
  const tile = choice.tile ?? chooseTile(spec.rows, columns);
  const blocked = spec.channels % tile.depth === 0;
  const taps = spec.tapsY * spec.tapsX;
  const steps = Math.ceil((blocked ? spec.channels : taps * spec.channels) / tile.depth);
  const tiles = tileCount(tile, spec.rows, columns) * count * count;
  return {
    tile,
    blocked,
    steps,
    splits: chooseSplits(tile, tiles, steps, blocked ? taps : 1, resultLength(spec), choice.cut),
    gridHeight,
    gridWidth,
    columns,
    dense: count === 1 && (gridHeight * gridWidth) % 4 === 0,
  };
}

function resultLength({ batch, rows, outHeight, outWidth }: Correlation): number {
  return batch * rows * outHeight * outWidth;
}

/** Bindings: image, packed weights, bias (any storage if there is none), output, sizes. */
function correlate(spec: Correlation, layout: Layout): Kernel {
  const { tile, blocked, dense, splits } = layout;
  const count = spec.parities.length;
  const loader: ImageLoader = { tile, mode: spec.mode, blocked };
  const rowTiles = Math.ceil(spec.rows / tileRows(tile));
  const columnTiles = Math.ceil(layout.columns / tileColumns(tile));
  const plane = spec.outHeight * spec.outWidth;
  return {
    key: `gpu.correlate.${tileKey(tile)}.${spec.mode}.${blocked ? 'b' : 't'}${dense ? 'v' : 's'}`,
    bindings: ['read', 'read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(rowTiles * count * count * columnTiles * splits),
    constants: [
      rowTiles,
      columnTiles,
      splits,
      layout.columns,
      layout.gridHeight,
      layout.gridWidth,
      spec.height,
      spec.width,
      spec.height * spec.width,
      spec.channels * spec.height * spec.width,
      spec.stride,
      layout.steps,
      Math.ceil(layout.steps / splits),
      spec.tapsY,
      spec.tapsX,
      spec.rows,
      Math.ceil(spec.rows / 4),
      spec.outHeight,
      spec.outWidth,
      plane,
      resultLength(spec),
      spec.bias && splits === 1 ? 1 : 0,
      splits === 1 ? epilogueCode(spec.activation) : 0,
      floatBits(epilogueSlope(spec.activation)),
      RESULTS,
      count,
      ...spec.parities.flatMap(({ originY, firstY, originX, firstX }) => [
        originY >>> 0,
        firstY,
        originX >>> 0,
        firstX,
      ]),
      ...(blocked
        ? []
        : tapTable(spec.channels, spec.height * spec.width, spec.tapsY, spec.tapsX, tile.depth)),
    ],
    code: () => correlateCode(loader, dense),
  };
}

function correlateCode(loader: ImageLoader, dense: boolean): string {
  const { tile, mode, blocked } = loader;
  return tileCode(tile, {
    declarations: `
struct Sizes {
  rowTiles: u32, columnTiles: u32, splits: u32,
  columns: u32, gridHeight: u32, gridWidth: u32,
  height: i32, width: i32, planePitch: u32, imagePitch: u32,
  stride: u32, steps: u32, stepsPerSplit: u32, tapsY: u32, tapsX: u32,
  rows: u32, rowQuads: u32, outHeight: u32, outWidth: u32, outPlane: u32, resultPitch: u32,
  biased: u32, activation: u32, slope: u32,
  results: u32, parities: u32,
  // Origin and first tap of each parity along y and along x, then the table if there is one.
  list: array<vec2u>,
}
@group(0) @binding(0) var<storage, read> image: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<${dense ? 'vec4f' : 'f32'}>;
@group(0) @binding(4) var<storage, read> sizes: Sizes;
${sourceFunction(mode)}
${EPILOGUE_ACTIVATION}`,
    setup: `
  let index = group.y * groups.x + group.x;
  let parities = sizes.parities;
  let parity = index / sizes.rowTiles % (parities * parities);
  let outer = index / (sizes.rowTiles * parities * parities);
  let split = outer / sizes.columnTiles;
  if (split >= sizes.splits) { return; }
  let axisY = sizes.list[2u * (parity / parities)];
  let axisX = sizes.list[2u * (parity % parities) + 1u];
  let firstRow = index % sizes.rowTiles * ${tileRows(tile)}u;
  let firstColumn = outer % sizes.columnTiles * ${tileColumns(tile)}u;
  let firstStep = split * sizes.stepsPerSplit;
  let steps = min(sizes.stepsPerSplit, sizes.steps - firstStep);
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

const EPILOGUE = `
    let o = firstRow + row;
    if (o >= sizes.rows) { continue; }
    var shift = 0.0;
    if (sizes.biased != 0u) { shift = bias[o]; }
    let final4 = activate(value + shift, sizes.activation, bitcast<f32>(sizes.slope));`;

/** Four columns are four neighbours of one plane. */
function denseResults(tile: Tile): string {
  const places = [0, 1].map((h) => {
    const column = `firstColumn + ${h * 4 * tile.columnThreads}u + 4u * thread.x`;
    return `
  let column${h} = ${column};
  let place${h} = split * sizes.resultPitch + column${h} / sizes.outPlane * sizes.rows * sizes.outPlane + column${h} % sizes.outPlane;`;
  });
  return `${places.join('')}
${eachResult(
  tile,
  `    if (select(column0, column1, half == 1u) >= sizes.columns) { continue; }
${EPILOGUE}
    result[(select(place0, place1, half == 1u) + o * sizes.outPlane) / 4u] = final4;`,
)}`;
}

/** Every column by itself: parities interleave in memory, or a plane is no multiple of 4. */
function scatteredResults(tile: Tile): string {
  return eachResult(
    tile,
    `${EPILOGUE}
    for (var i = 0u; i < 4u; i++) {
      let column = firstColumn + half * ${4 * tile.columnThreads}u + 4u * thread.x + i;
      let y = column / sizes.gridWidth % sizes.gridHeight * parities + parity / parities;
      let x = column % sizes.gridWidth * parities + parity % parities;
      let n = column / (sizes.gridWidth * sizes.gridHeight);
      if (column < sizes.columns && y < sizes.outHeight && x < sizes.outWidth) {
        let at = (n * sizes.rows + o) * sizes.outPlane + y * sizes.outWidth + x;
        result[split * sizes.resultPitch + at] = final4[i];
      }
    }`,
  );
}

/** Inputs: image, weights, bias (only if there is one). Output: y. */
export function correlationPlan(
  spec: Correlation,
  order: Pick<PackedWeights, 'kernelHeight' | 'kernelWidth' | 'adjoint'>,
  choice: TileChoice = {},
): Plan {
  const layout = layoutOf(spec, choice);
  const weights: PackedWeights = { ...spec, ...order };
  const { depth } = layout.tile;
  const length = resultLength(spec);
  const temporaries = [packedLength(weights, depth)];
  const steps: Plan['steps'][number][] = [
    {
      kernel: packWeights(weights, depth),
      operands: [{ input: 1 }, { temporary: 0 }],
      dependsOnlyOn: 1,
    },
  ];
  const bias: Operand = { input: spec.bias ? 2 : 1 };
  const kernel = correlate(spec, layout);
  if (layout.splits === 1) {
    steps.push({ kernel, operands: [{ input: 0 }, { temporary: 0 }, bias, { output: 0 }] });
  } else {
    const partial = { temporary: temporaries.push(layout.splits * length) - 1 };
    steps.push({ kernel, operands: [{ input: 0 }, { temporary: 0 }, bias, partial] });
    steps.push({
      kernel: finishSplits(spec, length, layout.splits),
      operands: [partial, bias, { output: 0 }],
    });
  }
  return { temporaries, steps };
}
