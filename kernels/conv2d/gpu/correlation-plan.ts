import type { Operand, Plan } from '../../kernel.ts';
import { canTile, tileCorrelation } from './correlation.ts';
import { type Correlation, resultLength } from './correlation-sizes.ts';
import { finishSplits } from './finish.ts';
import { narrowCorrelation, prefersNarrow } from './narrow.ts';
import { prefersTapPlanes, tapPlanesPlan } from './tap-planes.ts';
import { type CorrelationForm, type TileChoice, tileKey, tilesFor } from './tile.ts';
import { type PackedWeights, packedLength, packWeights, type WeightOrder } from './weights.ts';

/* A correlation as a plan, and the choice between its kernels. */

/** The form that is taken unless measured otherwise. */
function usualForm(spec: Correlation, order: WeightOrder): CorrelationForm {
  if (prefersTapPlanes(spec, order)) return 'tap-planes';
  return prefersNarrow(spec.rows) || !canTile(spec) ? 'narrow' : 'tiles';
}

/** Choices besides the usual one that are worth a measurement, by name. */
export function correlationChoices(
  spec: Correlation,
  order: WeightOrder,
): readonly (readonly [string, TileChoice])[] {
  const choices: (readonly [string, TileChoice])[] = [];
  for (const tile of tilesFor(spec.rows)) {
    // Loading pixels takes at least four rows of threads.
    if (tile.rowThreads < 4 || !canTile(spec, tile)) continue;
    choices.push([tileKey(tile), { form: 'tiles', tile }]);
  }
  if (spec.rows <= 96) choices.push(['narrow', { form: 'narrow' }]);
  if (prefersTapPlanes(spec, order)) choices.push(['tap-planes', { form: 'tap-planes' }]);
  return choices;
}

/** Inputs: image, weights, bias (only if there is one). Output: y. */
export function correlationPlan(
  spec: Correlation,
  order: WeightOrder,
  choice: TileChoice = {},
): Plan {
  const form = choice.form ?? usualForm(spec, order);
  if (form === 'tap-planes') return tapPlanesPlan(spec, order, choice.cut);
  const { kernel, splits, depth, groupRows } =
    form === 'narrow' ? narrowCorrelation(spec, choice.cut) : tileCorrelation(spec, choice);
  const weights: PackedWeights = { ...spec, ...order, depth, groupRows };
  const length = resultLength(spec);
  const temporaries = [packedLength(weights)];
  const steps: Plan['steps'][number][] = [
    {
      kernel: packWeights(weights),
      operands: [{ input: 1 }, { temporary: 0 }],
      dependsOnlyOn: 1,
    },
  ];
  const bias: Operand = { input: spec.bias ? 2 : 1 };
  if (splits === 1) {
    steps.push({ kernel, operands: [{ input: 0 }, { temporary: 0 }, bias, { output: 0 }] });
  } else {
    const partial = { temporary: temporaries.push(splits * length) - 1 };
    steps.push({ kernel, operands: [{ input: 0 }, { temporary: 0 }, bias, partial] });
    steps.push({
      kernel: finishSplits(spec, length, splits),
      operands: [partial, bias, { output: 0 }],
    });
  }
  return { temporaries, steps };
}
