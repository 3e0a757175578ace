import type { AdapterProfile } from '../../kernel.ts';
import type { Correlation } from '../correlation-spec.ts';
import { roundUp } from '../geometry.ts';
import { ROWS, winogradLengths, winogradTiles } from './tiles.ts';
import { PRODUCTS } from './transforms.ts';
import { GRADIENT_CHUNK_BYTES } from './weight-gradient.ts';

/** Bytes that a storage binding may hold under WebGPU's default limits. */
const MAX_BINDING = 128 * 2 ** 20;

/** Whether the Winograd kernels can do a correlation at all. */
export function allowsWinograd(spec: Correlation, profile: AdapterProfile): boolean {
  const { stride, tapsX, tapsY, offsetsX, offsetsY, rows, channels } = spec;
  const { kind, subgroupSize } = profile;
  const isDense =
    stride === 1 && offsetsX.length === 1 && offsetsY.length === 1 && offsetsX[0] === offsetsY[0];
  if (kind !== 'cpu' || ![4, 8, ROWS].includes(subgroupSize)) return false;
  if (!isDense || tapsX !== 3 || tapsY !== 3 || rows % 4 !== 0 || channels % 4 !== 0) return false;
  const { weights, input, products } = winogradLengths(winogradTiles(spec, profile));
  return Math.max(weights, input, products) * 4 <= MAX_BINDING;
}

/*
 * What the stages cost, in nanoseconds of two Zen 4 cores under lavapipe: fitted to 80 shapes of 4 … 64
 * pixels and 8 … 512 channels. Only their proportions matter.
 */
const COSTS = {
  /** Launching the stages, and waiting between them. */
  start: 1e5,
  /** Transforming the weights of one row and channel. */
  weights: 55,
  /** Transforming one tile of one channel, or of one row. */
  input: 40,
  output: 30,
  /** A multiplication and an addition, of Winograd's products and of the direct kernel. */
  product: 0.04,
  direct: 0.048,
  /** The same of the weight gradient's products. */
  outerProduct: 0.05,
  /** Folding the gradient of one row and channel; adding a chunk of tiles to it. */
  fold: 45,
  chunk: 30,
} as const;

/** The part of the direct kernel's time that Winograd must save to be worth its memory and rounding. */
const MARGIN = 0.15;

/**
 * Whether a correlation is done faster by Winograd's minimal filtering: 3×3 taps at stride 1, with
 * enough channels and tiles to repay the transforms.
 */
export function prefersWinograd(spec: Correlation, profile: AdapterProfile): boolean {
  if (!allowsWinograd(spec, profile)) return false;
  const { rows, channels } = spec;
  const { blocks, blockTiles } = winogradTiles(spec, profile);
  const tiles = blocks * blockTiles;
  const paddedRows = roundUp(rows, ROWS);
  const winograd =
    COSTS.start +
    COSTS.weights * rows * channels +
    (COSTS.input * channels + COSTS.output * rows) * tiles +
    COSTS.product * PRODUCTS * paddedRows * channels * tiles;
  return winograd < (1 - MARGIN) * directCost(spec);
}

function directCost({ batch, rows, channels, outHeight, outWidth }: Correlation): number {
  const outputs = batch * outHeight * roundUp(outWidth, 4);
  return COSTS.direct * 9 * roundUp(rows, ROWS) * channels * outputs;
}

/** Whether the weight gradient of the convolution that `spec` is the forward pass of is faster so. */
export function prefersWinogradWeightGradient(spec: Correlation, profile: AdapterProfile): boolean {
  if (!allowsWinograd(spec, profile)) return false;
  const { rows, channels } = spec;
  const { blocks, blockTiles, blocksPerChunk, lanes } = winogradTiles(
    spec,
    profile,
    GRADIENT_CHUNK_BYTES,
  );
  const tiles = blocks * blockTiles;
  const chunks = Math.ceil(blocks / blocksPerChunk);
  const paddedChannels = roundUp(channels, 4 * lanes);
  const winograd =
    COSTS.start +
    (COSTS.fold + (chunks - 1) * COSTS.chunk) * rows * channels +
    (COSTS.input * channels + COSTS.output * rows) * tiles +
    COSTS.outerProduct * PRODUCTS * roundUp(rows, ROWS) * paddedChannels * tiles;
  return winograd < (1 - MARGIN) * directCost(spec);
}
