import { floatBits, type Kernel } from '../../kernel.ts';
import type { CorrelationShape } from '../correlation-spec.ts';
import { EPILOGUE_ACTIVATION, epilogueCode, epilogueSlope } from '../epilogue.ts';

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

export interface Correlation extends CorrelationShape {
  /** For each parity, P in all: where the taps start, and the first tap that is not zero throughout. */
  readonly parities: readonly {
    readonly originY: number;
    readonly firstY: number;
    readonly originX: number;
    readonly firstX: number;
  }[];
}

/** A kernel of bindings image, packed weights, bias (any storage if there is none), output, sizes. */
export interface CorrelationKernel {
  readonly kernel: Kernel;
  /** Parts into which the sum is cut; with more than one, the output holds their partial results. */
  readonly splits: number;
  /** What k of the packed weights is rounded up to, and their rows that lie together. */
  readonly depth: number;
  readonly groupRows: number;
  /** Whether the taps of a row come before channels in the order of the packed weights. */
  readonly tapsFirst?: boolean;
}

/** How a kernel cuts a correlation. */
export interface CorrelationLayout {
  readonly rowTiles: number;
  readonly columnTiles: number;
  /** Steps of k within one tap, or in all where steps go across taps. */
  readonly steps: number;
  readonly splits: number;
  /** vec4s of rows for each k of the packed weights. */
  readonly rowQuads: number;
  /** See `results.ts`. */
  readonly results: number;
}

/** Pixels (q, j) of an image's grid, and all columns. */
export function gridOf({ batch, parities, outHeight, outWidth }: Correlation): {
  readonly height: number;
  readonly width: number;
  readonly columns: number;
} {
  const height = Math.ceil(outHeight / parities.length);
  const width = Math.ceil(outWidth / parities.length);
  return { height, width, columns: batch * height * width };
}

export function resultLength({ batch, rows, outHeight, outWidth }: Correlation): number {
  return batch * rows * outHeight * outWidth;
}

/** Whether four neighbouring columns are four neighbours of one plane in memory. */
export function storesQuads({ parities, outHeight, outWidth }: Correlation): boolean {
  return parities.length === 1 && (outHeight * outWidth) % 4 === 0;
}

/**
 * The same correlation, said to be reflected if no tap ever leaves the image: what is read by reflection
 * always lies in the image, and is not tested.
 */
export function withoutBorder(spec: Correlation): Correlation {
  const { parities, tapsY, tapsX, stride, height, width } = spec;
  const grid = gridOf(spec);
  const isInside = parities.every(
    ({ originY, firstY, originX, firstX }) =>
      originY + firstY >= 0 &&
      originX + firstX >= 0 &&
      (grid.height - 1) * stride + originY + tapsY <= height &&
      (grid.width - 1) * stride + originX + tapsX <= width,
  );
  return isInside ? { ...spec, mode: 'reflect' } : spec;
}

/** The words of `Sizes`; `table` follows the parities in `list`. */
export function correlationSizes(
  spec: Correlation,
  layout: CorrelationLayout,
  table: readonly number[] = [],
): number[] {
  const { splits, steps } = layout;
  const grid = gridOf(spec);
  const plane = spec.height * spec.width;
  const isWhole = splits === 1;
  return [
    layout.rowTiles,
    layout.columnTiles,
    splits,
    grid.columns,
    grid.height,
    grid.width,
    spec.height,
    spec.width,
    plane,
    spec.channels * plane,
    spec.stride,
    steps,
    Math.ceil(steps / splits),
    spec.tapsY,
    spec.tapsX,
    spec.rows,
    layout.rowQuads,
    spec.outHeight,
    spec.outWidth,
    spec.outHeight * spec.outWidth,
    resultLength(spec),
    spec.bias && isWhole ? 1 : 0,
    isWhole ? epilogueCode(spec.activation) : 0,
    floatBits(epilogueSlope(spec.activation)),
    layout.results,
    spec.parities.length,
    spec.accumulate && isWhole ? 1 : 0,
    0,
    ...spec.parities.flatMap(({ originY, firstY, originX, firstX }) => [
      originY >>> 0,
      firstY,
      originX >>> 0,
      firstX,
    ]),
    ...table,
  ];
}

/** Declarations of the sizes and of what happens to results. */
export const CORRELATION_SIZES = `
struct Sizes {
  rowTiles: u32, columnTiles: u32, splits: u32,
  columns: u32, gridHeight: u32, gridWidth: u32,
  height: i32, width: i32, planePitch: u32, imagePitch: u32,
  stride: u32, steps: u32, stepsPerSplit: u32, tapsY: u32, tapsX: u32,
  rows: u32, rowQuads: u32, outHeight: u32, outWidth: u32, outPlane: u32, resultPitch: u32,
  biased: u32, activation: u32, slope: u32,
  results: u32, parities: u32, accumulate: u32, none: u32,
  // Origin and first tap of each parity along y and along x, then the table if there is one.
  list: array<vec2u>,
}
@group(0) @binding(4) var<storage, read> sizes: Sizes;
const NOWHERE = 0xffffffffu;
${EPILOGUE_ACTIVATION}`;

/** Statements that find a workgroup's part of the product of tiles of `rows` × `columns`. */
export function workgroupPart(rows: number, columns: number): string {
  return `
  let index = group.y * groups.x + group.x;
  let parities = sizes.parities;
  let parity = index / sizes.rowTiles % (parities * parities);
  let outer = index / (sizes.rowTiles * parities * parities);
  let split = outer / sizes.columnTiles;
  if (split >= sizes.splits) { return; }
  let axisY = sizes.list[2u * (parity / parities)];
  let axisX = sizes.list[2u * (parity % parities) + 1u];
  let firstRow = index % sizes.rowTiles * ${rows}u;
  let firstColumn = outer % sizes.columnTiles * ${columns}u;
  let firstStep = split * sizes.stepsPerSplit;
  let steps = min(sizes.stepsPerSplit, sizes.steps - firstStep);`;
}

/** Statements that make `final4` of `value`, results of row `o`. */
export const EPILOGUE = `
    var shift = 0.0;
    if (sizes.biased != 0u) { shift = bias[o]; }
    let final4 = activate(value + shift, sizes.activation, bitcast<f32>(sizes.slope));`;

/**
 * Statements that find `places`: where row 0 of each of up to four columns is stored, parities apart in memory.
 * @param column WGSL of column `i`
 */
export function pixelPlaces(count: number, column: string): string {
  return `
    var places = vec4u(NOWHERE);
    for (var i = 0u; i < ${count}u; i++) {
      let column = ${column};
      let y = column / sizes.gridWidth % sizes.gridHeight * parities + parity / parities;
      let x = column % sizes.gridWidth * parities + parity % parities;
      let n = column / (sizes.gridWidth * sizes.gridHeight);
      if (column < sizes.columns && y < sizes.outHeight && x < sizes.outWidth) {
        places[i] = split * sizes.resultPitch + n * sizes.rows * sizes.outPlane + y * sizes.outWidth + x;
      }
    }`;
}

/** Statements that store `final4` as the results of row `o` from `place` on. */
export const STORE_QUAD = `
      let at = (place + o * sizes.outPlane) / 4u;
      var total = final4;
      if (sizes.accumulate != 0u) { total += result[at]; }
      result[at] = total;`;

/** Statements that store `final4` as the results of row `o` at `places`. */
export function storePixels(count: number): string {
  return `
      for (var i = 0u; i < ${count}u; i++) {
        if (places[i] == NOWHERE) { continue; }
        let at = places[i] + o * sizes.outPlane;
        var total = final4[i];
        if (sizes.accumulate != 0u) { total += result[at]; }
        result[at] = total;
      }`;
}
