import type { AdapterProfile, Operand, Plan } from '../kernel.ts';
import { correlate } from './correlation.ts';
import { type Correlation, packedLength } from './correlation-spec.ts';
import { isPointwise, pointwisePlan } from './pointwise.ts';
import { directWeights, packWeights, type WeightOrder } from './weights.ts';

/**
 * Correlates input 0 with weights input 1 and input 2 as bias, into output 0, sum by sum: the weights are
 * packed first if need be.
 */
export function directPlan(spec: Correlation, order: WeightOrder, profile: AdapterProfile): Plan {
  if (isPointwise(spec, profile)) return pointwisePlan(spec, order.adjoint !== undefined, profile);
  const direct = directWeights(spec, order);
  const kernel = correlate(spec, direct, profile);
  const bias: Operand = { input: spec.bias ? 2 : 1 };
  const operands = (weights: Operand): Operand[] => [
    { input: 0 },
    { input: 0 },
    weights,
    bias,
    { output: 0 },
  ];
  if (direct) return { temporaries: [], steps: [{ kernel, operands: operands({ input: 1 }) }] };
  const packed = { temporary: 0 };
  return {
    temporaries: [packedLength(spec)],
    steps: [
      {
        kernel: packWeights(spec, order),
        operands: [{ input: 1 }, packed],
        dependsOnlyOn: 1,
      },
      { kernel, operands: operands(packed) },
    ],
  };
}
