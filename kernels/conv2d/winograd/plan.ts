import type { AdapterProfile, Operand, Plan } from '../../kernel.ts';
import type { Correlation } from '../correlation-spec.ts';
import { requireFiltering } from './filterings.ts';
import { transformWinogradInput } from './input-transform.ts';
import { transformWinogradOutput } from './output-transform.ts';
import { multiplyWinograd } from './products.ts';
import { chunksOf, winogradLengths, winogradTiles } from './tiles.ts';
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
  const lengths = winogradLengths(tiles);
  const [weights, input, products] = [0, 1, 2].map((temporary): Operand => ({ temporary }));
  const steps: Plan['steps'][number][] = [
    {
      kernel: transformWinogradWeights({ rows, channels, isAdjoint, filtering }, tiles),
      operands: [{ input: 1 }, weights],
      dependsOnlyOn: 1,
    },
  ];
  for (const chunk of chunksOf(tiles)) {
    steps.push(
      {
        kernel: transformWinogradInput(spec, tiles, chunk),
        operands: [{ input: 0 }, { input: 0 }, input],
      },
      { kernel: multiplyWinograd(tiles, chunk), operands: [weights, input, products] },
      {
        kernel: transformWinogradOutput(spec, filtering, tiles, chunk),
        operands: [products, { input: spec.bias ? 2 : 1 }, { output: 0 }],
      },
    );
  }
  return { temporaries: [lengths.weights, lengths.input, lengths.products], steps };
}
