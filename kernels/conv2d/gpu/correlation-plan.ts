import type { Operand, Plan } from '../../kernel.ts';
import { canTile, tileCorrelation } from './correlation.ts';
import { type Correlation, type CorrelationKernel, resultLength } from './correlation-sizes.ts';
import { finishSplits } from './finish.ts';
import { narrowCorrelation, prefersNarrow } from './narrow.ts';
import { hasWindows, windowCorrelation } from './narrow-window.ts';
import { prefersTapPlanes, tapPlanesPlan } from './tap-planes.ts';
import { type CorrelationForm, type TileChoice, tileKey, tilesFor } from './tile.ts';
import { type PackedWeights, packedLength, packWeights, type WeightOrder } from './weights.ts';

/* A correlation as a plan, and the choice between its kernels. */

/** Fewer than a tile's step has values of k. */
const FEW_CHANNELS = 16;

/** The form that is taken unless measured otherwise. */
function usualForm(spec: Correlation, order: WeightOrder): CorrelationForm {
  if (prefersTapPlanes(spec, order)) return 'tap-planes';
  // Steps of few channels go across taps in tiles, whose windows narrow ones know.
  const isFirst = hasWindows(spec) && spec.channels < FEW_CHANNELS;
  return prefersNarrow(spec.rows) || isFirst || !canTile(spec) ? 'narrow' : 'tiles';
}

/** Rows beyond which narrow tiles would load every pixel too often to be worth a measurement. */
const MOST_NARROW_ROWS = 96;

/** Choices besides the usual one that are worth a measurement, by name. */
export function correlationChoices(
  spec: Correlation,
  order: WeightOrder,
): readonly (readonly [string, TileChoice])[] {
  const choices: (readonly [string, TileChoice])[] = [];
  for (const tile of tilesFor(spec.rows)) {
    if (!canTile(spec, tile)) continue;
    choices.push([tileKey(tile), { form: 'tiles', tile }]);
  }
  if (spec.rows <= MOST_NARROW_ROWS) choices.push(['narrow', { form: 'narrow' }]);
  if (prefersTapPlanes(spec, order)) choices.push(['tap-planes', { form: 'tap-planes' }]);
  return choices;
}

function narrowest(spec: Correlation, cut: number | undefined): CorrelationKernel {
  return hasWindows(spec) ? windowCorrelation(spec, cut) : narrowCorrelation(spec, cut);
}

/** Inputs: image, weights, bias (only if there is one). Output: y. */
export function correlationPlan(
  spec: Correlation,
  order: WeightOrder,
  choice: TileChoice = {},
): Plan {
  const form = choice.form ?? usualForm(spec, order);
  if (form === 'tap-planes') return tapPlanesPlan(spec, order, choice.cut);
  const { kernel, splits, ...packing } =
    form === 'narrow' ? narrowest(spec, choice.cut) : tileCorrelation(spec, choice);
  const weights: PackedWeights = { ...spec, ...order, ...packing };
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
  // Where tiles in workgroup memory hold weights beside pixels, both are of one type.
  return { temporaries, steps, ...(form === 'tiles' && { alike: [{ temporary: 0, input: 0 }] }) };
}
