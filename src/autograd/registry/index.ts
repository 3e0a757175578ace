import type { AnyOpRow } from './row.ts';

/** Every differentiable op of the engine. Tests and `docs/ops.md` walk this list. */
export const OPS: readonly AnyOpRow[] = [];
