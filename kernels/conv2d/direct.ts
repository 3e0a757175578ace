import type { AdapterProfile, Kernel, Operand, Plan } from '../kernel.ts';
import { correlate } from './correlation.ts';
import { type Correlation, packedLength } from './correlation-spec.ts';
import { fewCut } from './few-products.ts';
import { isPointwise, pointwise } from './pointwise.ts';
import { directWeights, packWeights, type WeightOrder } from './weights.ts';

/**
 * Correlates input 0 with weights input 1 and input 2 as bias, into output 0, sum by sum: the weights are
 * packed first if need be.
 */
export function directPlan(spec: Correlation, order: WeightOrder, profile: AdapterProfile): Plan {
  const image: Operand = { input: 0 };
  const bias: Operand = { input: spec.bias ? 2 : 1 };
  const output: Operand = { output: 0 };
  const isFew = fewCut(spec, profile) !== undefined;
  if (isPointwise(spec, profile) && !isFew) {
    return packedPlan(spec, order, pointwise(spec, profile), (weights) => [
      image,
      weights,
      bias,
      output,
    ]);
  }
  const direct = isFew ? undefined : directWeights(spec, order);
  const kernel = correlate(spec, direct, profile);
  const others: Operand[] = spec.fold?.storage ? [{ input: 2 }] : [];
  const operands = (weights: Operand): Operand[] => [
    ...[image, image, weights, bias, output],
    ...others,
  ];
  if (!direct) return packedPlan(spec, order, kernel, operands);
  return { temporaries: [], steps: [{ kernel, operands: operands({ input: 1 }) }] };
}

function packedPlan(
  spec: Correlation,
  order: WeightOrder,
  kernel: Kernel,
  operands: (weights: Operand) => Operand[],
): Plan {
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
