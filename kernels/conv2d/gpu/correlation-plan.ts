import type { Operand, Plan } from '../../kernel.ts';
import { tileCorrelation } from './correlation.ts';
import { type Correlation, resultLength } from './correlation-sizes.ts';
import { finishSplits } from './finish.ts';
import { narrowCorrelation, prefersNarrow } from './narrow.ts';
import type { TileChoice } from './tile.ts';
import { type PackedWeights, packedLength, packWeights } from './weights.ts';

/* A correlation as a plan, and the choice between its kernels. */

/** Inputs: image, weights, bias (only if there is one). Output: y. */
export function correlationPlan(
  spec: Correlation,
  order: Pick<PackedWeights, 'kernelHeight' | 'kernelWidth' | 'adjoint'>,
  choice: TileChoice = {},
): Plan {
  const form = choice.form ?? (choice.tile || !prefersNarrow(spec.rows) ? 'tiles' : 'narrow');
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
