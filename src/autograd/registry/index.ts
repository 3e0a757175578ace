import { ACTIVATION_OPS } from './activations.ts';
import { ARITHMETIC_OPS } from './arithmetic.ts';
import { CONVOLUTION_OPS } from './convolution.ts';
import { INSTANCE_NORM } from './instance-norm.ts';
import { LOSS_OPS, REDUCE_OPS, WEIGHTED_SUM } from './losses.ts';
import type { AnyOpRow } from './row.ts';

/** Every differentiable op of the engine. Tests and `docs/ops.md` walk this list. */
export const OPS: readonly AnyOpRow[] = [
  ...ACTIVATION_OPS,
  ...ARITHMETIC_OPS,
  ...CONVOLUTION_OPS,
  INSTANCE_NORM,
  ...REDUCE_OPS,
  ...LOSS_OPS,
  WEIGHTED_SUM,
];
