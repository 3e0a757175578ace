import type { AdapterProfile, Plan } from '../../kernel.ts';
import type { Correlation } from '../correlation-spec.ts';
import { transformParities } from './halving-cotangent.ts';
import { transformPhases } from './halving-image.ts';
import { weaveParities } from './halving-output.ts';
import { transformParityWeights, transformPhaseWeights } from './halving-weights.ts';
import { transformWinogradOutput } from './output-transform.ts';
import { TWO_TAPS } from './paired-points.ts';
import { correlationStages } from './stages.ts';
import { tilesOf, type WinogradTiles } from './tiles.ts';

/*
 * Convolutions of 4×4 taps at stride 2 by minimal filtering F(4×4, 2×2): 2.56 times fewer products.
 *
 * Taps k = 2t + φ of one phase φ meet every second pixel, so a convolution is the sum over four phases (of
 * y and x) of correlations with 2×2 taps at stride 1. Phases are to it as channels are: a block of 2×2
 * pixels of one channel, one of each phase, is one vec4 of V, and the four weights that meet it one of U.
 *
 *   y[q] = Σ_t Σ_φ w[2t+φ] · x̄[2(q+t)+φ-p]                                    (along each axis)
 *
 * The data gradient makes outputs of four parities a, each by 2×2 taps of one phase from dy at stride 1:
 *
 *   dx̄[2i+a] = Σ_t w[2t+φ] · dy[i+s-t],    φ = (u₀+a) mod 2,  s = ⌊(u₀+a)/2⌋
 *
 * with u₀ as in `data-gradient.ts`. Every parity has 25 products k of its own: k + 25·parity in U and M,
 * and in V if s differs between parities. A vec4 holds four channels, and the parities are woven in the end.
 */

const PRODUCTS = TWO_TAPS.patch ** 2;

/** The tiles of a convolution that `spec` is. */
export function phaseTiles(
  { batch, channels, rows, outHeight, outWidth }: Correlation,
  profile: AdapterProfile,
  chunkBytes?: number,
): WinogradTiles {
  const sizes = { batch, channels: 4 * channels, rows, outHeight, outWidth };
  return tilesOf({ ...sizes, products: PRODUCTS, inputProducts: PRODUCTS }, profile, chunkBytes);
}

/** The tiles of a data gradient that `spec` is. */
export function parityTiles(
  { batch, channels, rows, outHeight, outWidth, offsetsX }: Correlation,
  profile: AdapterProfile,
  chunkBytes?: number,
): WinogradTiles {
  const products = 4 * PRODUCTS;
  const sizes = {
    batch,
    channels,
    rows,
    outHeight: Math.ceil(outHeight / 2),
    outWidth: Math.ceil(outWidth / 2),
    products,
    inputProducts: offsetsX[0] === offsetsX[1] ? PRODUCTS : products,
  };
  return tilesOf(sizes, profile, chunkBytes);
}

/**
 * Convolves input 0 with weights input 1 and input 2 as bias, into output 0.
 * @param chunkBytes what V and M of tiles worked on together may take; default what caches hold
 */
export function halvingForward(
  spec: Correlation,
  profile: AdapterProfile,
  chunkBytes?: number,
): Plan {
  const tiles = phaseTiles(spec, profile, chunkBytes);
  return correlationStages({
    tiles,
    weights: transformPhaseWeights(spec.rows, spec.channels, tiles),
    input: (chunk) => transformPhases(spec, tiles, chunk),
    output: (chunk) => transformWinogradOutput(spec, TWO_TAPS, tiles, chunk),
    bias: spec.bias,
  });
}

/**
 * Inputs: dy, w, bias (if `spec.bias`). Output: dx̄.
 * @param spec of the data gradient @param phases φ of the two parities of an axis
 */
export function halvingDataGradient(
  spec: Correlation,
  phases: readonly number[],
  profile: AdapterProfile,
  chunkBytes?: number,
): Plan {
  const tiles = parityTiles(spec, profile, chunkBytes);
  return correlationStages({
    tiles,
    weights: transformParityWeights(spec.rows, spec.channels, phases, tiles),
    input: (chunk) => transformParities(spec, tiles, chunk),
    output: (chunk) => weaveParities(spec, tiles, chunk),
    bias: spec.bias,
  });
}
