import type { Activation } from '../activation.ts';
import { NO_EPILOGUE } from './epilogue.ts';
import { type ChannelSlice, type PaddingMode, roundUp } from './geometry.ts';

/* What a correlation is (`correlation.ts`), and how its work is cut into tiles. */

/** What correlations are on CPU drivers and on GPUs alike. */
export interface CorrelationShape {
  readonly batch: number;
  /** Channels summed over. */
  readonly channels: number;
  /** Output channels. */
  readonly rows: number;
  /** The image's extents, and how it goes on beyond them. */
  readonly height: number;
  readonly width: number;
  readonly mode: PaddingMode;
  /** Step in the image from one place of the grid to the next. */
  readonly stride: number;
  /** Taps along y and x per parity. */
  readonly tapsY: number;
  readonly tapsX: number;
  readonly outHeight: number;
  readonly outWidth: number;
  /** Whether results are added to what the output holds; default false. */
  readonly accumulate?: boolean | undefined;
  readonly bias: boolean;
  readonly activation: Activation;
}

export interface Correlation extends CorrelationShape {
  /** A[a] and B[b]: where in the image the taps of each parity start. Their number is P. */
  readonly offsetsY: readonly number[];
  readonly offsetsX: readonly number[];
  /** Channels of a larger tensor that the image, or the output, is; default all of its own. */
  readonly imageSlice?: ChannelSlice | undefined;
  readonly outputSlice?: ChannelSlice | undefined;
  /** What reflection adds at the border (`folded-taps.ts`). */
  readonly fold?: CorrelationFold | undefined;
}

/** Steps and pixels that a correlation takes besides its own, as WGSL; expressions unless said otherwise. */
export interface CorrelationFold {
  /** Part of the kernel's key. */
  readonly key: string;
  /** Statements before the sums. */
  readonly start: readonly string[];
  /** Steps along y, u32, the same for all lanes of a workgroup; the first ones are the taps. */
  readonly steps: string;
  /** Tap of step `s`. */
  readonly tap: string;
  /** Row of the image in step `s`, of tap `t`. */
  readonly row: string;
  /** Declares a storage at binding 5, input 2 of the plan, if `finish` needs one. */
  readonly storage?: string | undefined;
  /** Statements that change `value`, the four outputs from `start + e` on, before it is stored. */
  readonly finish?: string | undefined;
  /** What is added to the pixels that tap u of parity b meets: nothing, or ` + …`. */
  added(b: number, u: number, vector: (first: number) => string): string;
}

/** Products of the channels of each pixel with 1×1 taps: images may as well be rows of all their pixels. */
export function pointwiseCorrelation(
  sizes: Pick<Correlation, 'batch' | 'channels' | 'rows' | 'imageSlice' | 'accumulate'>,
  pixels: number,
): Correlation {
  return {
    ...sizes,
    height: 1,
    width: pixels,
    mode: 'zeros',
    stride: 1,
    tapsY: 1,
    tapsX: 1,
    offsetsY: [0],
    offsetsX: [0],
    outHeight: 1,
    outWidth: pixels,
    ...NO_EPILOGUE,
  };
}

/** vec4 accumulators of a lane. */
export const ACCUMULATORS = 32;

/** How the work of a correlation is cut into steps and blocks; the packed weights follow it. */
export interface CorrelationTiles {
  /** P. */
  readonly parities: number;
  /** R: output channels a lane. */
  readonly rowsPerLane: number;
  readonly rowBlocks: number;
  /** Channels summed in one step. */
  readonly channelBlock: number;
  /** vec4s that hold one row's weights of one step, [channel][b][u], padded with zeros. */
  readonly vectorsPerRow: number;
}

/**
 * Rows of a block if all are cut into equal ones, of about `most`: 50 rows need not be done as 64, nor 18 as 32. A
 * lane may have a quarter more accumulators than is best, which costs less than another block.
 */
export function rowsOfBlock(rows: number, most: number): number {
  if (rows % most === 0) return most;
  return Math.ceil(rows / Math.ceil(rows / Math.floor(most * 1.25)));
}

export function correlationTiles(spec: Correlation): CorrelationTiles {
  const parities = spec.offsetsX.length;
  const isPointwise = parities * spec.tapsX * spec.tapsY === 1;
  let rowsPerLane = ACCUMULATORS;
  while (rowsPerLane > 1 && rowsPerLane * parities > ACCUMULATORS) rowsPerLane /= 2;
  while (rowsPerLane > 1 && rowsPerLane / 2 >= spec.rows) rowsPerLane /= 2;
  if (!isPointwise) {
    rowsPerLane = rowsOfBlock(spec.rows, rowsPerLane);
  } else if (spec.rows > rowsPerLane) {
    // 48 rows are two blocks of 24, not one of 32 and half of another.
    rowsPerLane = roundUp(spec.rows / Math.ceil(spec.rows / rowsPerLane), 8);
  }
  const taps = parities * spec.tapsX;
  let channelBlock = 1;
  while (spec.tapsX * channelBlock * 2 <= 4 && spec.channels % (channelBlock * 2) === 0) {
    channelBlock *= 2;
  }
  return {
    parities,
    rowsPerLane,
    rowBlocks: Math.ceil(spec.rows / rowsPerLane),
    channelBlock,
    vectorsPerRow: Math.ceil((taps * channelBlock) / 4),
  };
}

/** Length of the packed weights in elements. */
export function packedLength(spec: Correlation): number {
  const tiles = correlationTiles(spec);
  const steps = (spec.channels / tiles.channelBlock) * spec.tapsY;
  return tiles.parities * tiles.rowBlocks * steps * tiles.rowsPerLane * tiles.vectorsPerRow * 4;
}

/** The pixels, counted from the first, that taps u of parity b meet for outputs 0 … 3. */
export function tapPixels({ stride, offsetsX }: Correlation, b: number, u: number): number[] {
  return [0, 1, 2, 3].map((i) => stride * i + offsetsX[b] + u);
}
