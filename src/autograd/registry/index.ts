import { ACTIVATION_OPS } from './activations.ts';
import { ARITHMETIC_OPS } from './arithmetic.ts';
import type { AnyOpRow } from './row.ts';

/** Every differentiable op of the engine. Tests and `docs/ops.md` walk this list. */
export const OPS: readonly AnyOpRow[] = [...ACTIVATION_OPS, ...ARITHMETIC_OPS];
