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

/** What the stages cost, in nanoseconds of two Zen 4 cores. Only their proportions matter. */
interface Costs {
  /** Launching the stages, and waiting between them. */
  readonly start: number;
  /** Transforming the weights of one row and channel. */
  readonly weights: number;
  /** Transforming one tile of one channel, or of one row. */
  readonly input: number;
  readonly output: number;
  /** A multiplication and an addition, of Winograd's products and of the direct kernel. */
  readonly product: number;
  readonly direct: number;
  /** The same of the weight gradient's products. */
  readonly outerProduct: number;
  /** Folding the gradient of one row and channel; adding a chunk of tiles to it. */
  readonly fold: number;
  readonly chunk: number;
}

/** lavapipe, fitted to 80 shapes of 4 … 64 pixels and 8 … 512 channels. */
const LAVAPIPE: Costs = {
  start: 1e5,
  weights: 55,
  input: 40,
  output: 30,
  product: 0.04,
  direct: 0.048,
  outerProduct: 0.05,
  fold: 45,
  chunk: 30,
};

/**
 * SwiftShader, fitted to 35 shapes of 3 … 64 pixels and 8 … 256 channels (12 % mean error of the gain). Its
 * direct kernels are the slower ones.
 */
const SWIFTSHADER: Costs = {
  start: 1.4e5,
  weights: 86,
  input: 320,
  output: 320,
  product: 0.51,
  direct: 0.7,
  outerProduct: 1.28,
  fold: 63,
  chunk: 42,
};

/** SwiftShader is the only software driver whose subgroups have four lanes. */
function costsOf({ subgroupSize }: AdapterProfile): Costs {
  return subgroupSize === 4 ? SWIFTSHADER : LAVAPIPE;
}

/** The part of the direct kernel's time that Winograd must save to be worth its memory and rounding. */
const MARGIN = 0.15;

/**
 * Whether a correlation is done faster by Winograd's minimal filtering: 3×3 taps at stride 1, with
 * enough channels and tiles to repay the transforms.
 * @param isFrozen whether the weights never change, and are transformed once
 */
export function prefersWinograd(
  spec: Correlation,
  profile: AdapterProfile,
  isFrozen = false,
): boolean {
  if (!allowsWinograd(spec, profile)) return false;
  const { rows, channels } = spec;
  const { blocks, blockTiles } = winogradTiles(spec, profile);
  const tiles = blocks * blockTiles;
  const paddedRows = roundUp(rows, ROWS);
  const costs = costsOf(profile);
  const winograd =
    costs.start +
    (isFrozen ? 0 : costs.weights * rows * channels) +
    (costs.input * channels + costs.output * rows) * tiles +
    costs.product * PRODUCTS * paddedRows * channels * tiles;
  return winograd < (1 - MARGIN) * directCost(spec, costs);
}

function directCost(
  { batch, rows, channels, outHeight, outWidth }: Correlation,
  { direct }: Costs,
): number {
  const outputs = batch * outHeight * roundUp(outWidth, 4);
  return direct * 9 * roundUp(rows, ROWS) * channels * outputs;
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
  const costs = costsOf(profile);
  const winograd =
    costs.start +
    (costs.fold + (chunks - 1) * costs.chunk) * rows * channels +
    (costs.input * channels + costs.output * rows) * tiles +
    costs.outerProduct * PRODUCTS * roundUp(rows, ROWS) * paddedChannels * tiles;
  return winograd < (1 - MARGIN) * directCost(spec, costs);
}
