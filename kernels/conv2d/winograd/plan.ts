import type { AdapterProfile, Plan } from '../../kernel.ts';
import type { Correlation } from '../correlation-spec.ts';
import { requireFiltering } from './filterings.ts';
import { transformWinogradInput } from './input-transform.ts';
import { transformWinogradOutput } from './output-transform.ts';
import { correlationStages } from './stages.ts';
import { winogradTiles } from './tiles.ts';
import { transformWinogradWeights } from './weight-transform.ts';

/**
 * Correlates input 0 with weights input 1 and input 2 as bias, into output 0, by Winograd's minimal
 * filtering. `spec` must be one that `allowsWinograd`.
 * @param isAdjoint whether the weights are those of the convolution of which this is the data gradient
 * @param chunkBytes what V and M of tiles worked on together may take; default what caches hold
 */
export function winogradPlan(
  spec: Correlation,
  isAdjoint: boolean,
  profile: AdapterProfile,
  chunkBytes?: number,
): Plan {
  const { rows, channels } = spec;
  const filtering = requireFiltering(spec.tapsX);
  const tiles = winogradTiles(spec, profile, chunkBytes);
  return correlationStages({
    tiles,
    weights: transformWinogradWeights({ rows, channels, isAdjoint, filtering }, tiles),
    input: (chunk) => transformWinogradInput(spec, tiles, chunk),
    output: (chunk) => transformWinogradOutput(spec, filtering, tiles, chunk),
    bias: spec.bias,
  });
}
