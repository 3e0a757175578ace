import type { AdapterProfile } from '../../kernel.ts';
import { type Correlation, correlationTiles } from '../correlation-spec.ts';
import { roundUp } from '../geometry.ts';
import { type FilteringKind, filteringKind, tilesOfKind } from './kind.ts';
import { type WinogradTiles, winogradLengths } from './tiles.ts';
import { GRADIENT_CHUNK_BYTES } from './weight-gradient.ts';

/** Bytes that a storage binding may hold under WebGPU's default limits. */
const MAX_BINDING = 128 * 2 ** 20;

/**
 * Whether the Winograd kernels can do a forward pass or a data gradient at all.
 * @param kernel taps a side of the convolution; default those of the correlation
 */
export function allowsWinograd(
  spec: Correlation,
  profile: AdapterProfile,
  kernel = spec.tapsX,
): boolean {
  if (profile.kind !== 'cpu' || ![4, 8, 16].includes(profile.subgroupSize)) return false;
  const kind = filteringKind(spec, kernel);
  if (!kind) return false;
  // Of fewer rows or channels, rounded up to fours, it would be mostly padding.
  if (spec.rows < 4 || (spec.channels < 4 && kind !== 'phases')) return false;
  const { weights, input, products } = winogradLengths(tilesOfKind(spec, kind, profile));
  return Math.max(weights, input, products) * 4 <= MAX_BINDING;
}

/** Whether they can do the weight gradient of the convolution that `spec` is the forward pass of. */
export function allowsWinogradWeightGradient(spec: Correlation, profile: AdapterProfile): boolean {
  return gradientKind(spec) !== undefined && allowsWinograd(spec, profile);
}

/** What the stages cost, in nanoseconds of two Zen 4 cores. Only their proportions matter. */
interface Costs {
  /** Launching three stages more than the direct kernel, and waiting between them. */
  readonly start: number;
  /** Making one value of U; of parities, whose weights are picked out one by one, it takes longer. */
  readonly weights: { readonly [kind in FilteringKind]: number };
  /** Making one value of V, or of D; using one of M. */
  readonly input: number;
  readonly output: number;
  /** A multiplication and an addition, of Winograd's products and of the direct kernels. */
  readonly product: number;
  readonly direct: { readonly [kind in FilteringKind]: number };
  /** The same of the weight gradient's products. */
  readonly outerProduct: number;
  /** Folding one value of dU; adding a chunk of tiles to it. */
  readonly fold: number;
  readonly chunk: number;
}

/**
 * lavapipe, fitted to 100 shapes of 4 … 128 pixels and 8 … 1024 channels; products scaled by what larger tiles of rows
 * gained since (2026-11-26).
 */
const LAVAPIPE: Costs = {
  start: 3e5,
  weights: { dense: 1.5, phases: 1.5, parities: 2.2 },
  input: 1.1,
  output: 0.85,
  product: 0.036,
  direct: { dense: 0.047, phases: 0.045, parities: 0.052 },
  outerProduct: 0.047,
  fold: 1.25,
  chunk: 0.85,
};

/**
 * SwiftShader, fitted to 35 shapes of 3×3 taps, 3 … 64 pixels and 8 … 256 channels (12 % mean error of the
 * gain). Its direct kernels are the slower ones.
 */
const SWIFTSHADER: Costs = {
  start: 1.4e5,
  weights: { dense: 2.4, phases: 2.4, parities: 3.5 },
  input: 8.9,
  output: 8.9,
  product: 0.51,
  direct: { dense: 0.7, phases: 0.7, parities: 0.7 },
  outerProduct: 1.28,
  fold: 1.75,
  chunk: 1.2,
};

/** SwiftShader is the only software driver whose subgroups have four lanes. */
function costsOf({ subgroupSize }: AdapterProfile): Costs {
  return subgroupSize === 4 ? SWIFTSHADER : LAVAPIPE;
}

/** The part of the direct kernel's time that Winograd must save to be worth its memory and rounding. */
const MARGIN = 0.15;

/** Values of V or D, and of M, whole blocks of tiles. */
function transformed(tiles: WinogradTiles): { readonly input: number; readonly products: number } {
  const count = 4 * tiles.blocks * tiles.blockTiles;
  return {
    input: tiles.inputProducts * tiles.channelQuads * count,
    products: tiles.products * tiles.rowQuads * count,
  };
}

/** Multiplications of the direct algorithm, as its tiles do them. */
function directProducts(spec: Correlation, taps: number): number {
  const { batch, channels, outHeight, outWidth } = spec;
  const { rowBlocks, rowsPerLane } = correlationTiles(spec);
  return taps * rowBlocks * rowsPerLane * channels * batch * outHeight * roundUp(outWidth, 4);
}

/**
 * Whether a pass is done faster by minimal filtering: it has enough channels and tiles to repay the
 * transforms.
 * @param kernel taps a side of the convolution; default those of the correlation
 * @param isFrozen whether the weights never change, and are transformed once
 * @param direct the correlation that is done instead; default the same
 */
export function prefersWinograd(
  spec: Correlation,
  profile: AdapterProfile,
  kernel = spec.tapsX,
  isFrozen = false,
  direct = spec,
): boolean {
  const kind = filteringKind(spec, kernel);
  if (!kind || !allowsWinograd(spec, profile, kernel)) return false;
  const tiles = tilesOfKind(spec, kind, profile);
  const { products, channelQuads, rowQuads, rowsPerLane, rowBlocks, blocks, blockTiles } = tiles;
  const values = transformed(tiles);
  const costs = costsOf(profile);
  // Of four taps a value takes as much longer as there are more of them to read.
  const weightCost = costs.weights[kind] * (kind === 'dense' ? (spec.tapsX / 3) ** 2 : 1);
  const winograd =
    costs.start +
    (isFrozen ? 0 : weightCost * products * 16 * rowQuads * channelQuads) +
    costs.input * values.input +
    costs.output * values.products +
    costs.product * products * rowBlocks * rowsPerLane * 4 * channelQuads * blocks * blockTiles;
  const sumBySum = costs.direct[kind] * directProducts(direct, spec.tapsX ** 2);
  return winograd < (1 - MARGIN) * sumBySum;
}

/** Whether the weight gradient of the convolution that `spec` is the forward pass of is faster so. */
export function prefersWinogradWeightGradient(spec: Correlation, profile: AdapterProfile): boolean {
  const kind = gradientKind(spec);
  if (!kind || !allowsWinogradWeightGradient(spec, profile)) return false;
  const tiles = tilesOfKind(spec, kind, profile, GRADIENT_CHUNK_BYTES);
  const { products, channelQuads, rowQuads, rowsPerLane, rowBlocks, lanes } = tiles;
  const { blocks, blockTiles, blocksPerChunk } = tiles;
  const chunks = Math.ceil(blocks / blocksPerChunk);
  const values = transformed(tiles);
  const costs = costsOf(profile);
  const outer = rowBlocks * rowsPerLane * roundUp(channelQuads, lanes) * 4 * blocks * blockTiles;
  const winograd =
    costs.start +
    (costs.fold + (chunks - 1) * costs.chunk) * products * 16 * rowQuads * channelQuads +
    costs.input * values.input +
    costs.output * values.products +
    costs.outerProduct * products * outer;
  const direct = costs.direct[kind] * directProducts(spec, spec.tapsX ** 2);
  return winograd < (1 - MARGIN) * direct;
}

/** A weight gradient is filtered as its forward pass is. */
function gradientKind(spec: Correlation): Exclude<FilteringKind, 'parities'> | undefined {
  const kind = filteringKind(spec, spec.tapsX);
  return kind === 'parities' ? undefined : kind;
}
