import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from './kernel.ts';
import { literal } from './linear.ts';

/*
 * y = Σ_k weight_k·s_k of scalars that live in storages of their own, and the gradients weight_k·dy. One
 * invocation; the order of addition is the order of the scalars.
 */

/** Scalars one dispatch can take, with y or dy within 8 storage bindings. */
export const MAX_SCALARS = 7;

/** Bindings s_0 … s_n-1, y. */
export function weightedSumKernel(weights: readonly number[]): Kernel {
  const declarations = weights.map(
    (_, k) => `@group(0) @binding(${k}) var<storage, read> s${k}: array<f32>;`,
  );
  const terms = weights.map((weight, k) => `${literal(weight)} * s${k}[0]`);
  return {
    key: `weighted-sum.${weights.map(Math.fround).join(',')}`,
    bindings: [...weights.map(() => 'read' as const), 'write'],
    workgroups: [1, 1, 1],
    code: () => wgsl`
${declarations.join('\n')}
@group(0) @binding(${weights.length}) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(1)
fn main() {
  result[0] = ${terms.join(' + ')};
}
`,
  };
}

/** Bindings dy, g_0 … g_n-1. */
export function weightedSumGradient(weights: readonly number[]): Kernel {
  const declarations = weights.map(
    (_, k) => `@group(0) @binding(${k + 1}) var<storage, read_write> g${k}: array<f32>;`,
  );
  const lines = weights.map((weight, k) => `g${k}[0] = cotangent[0] * ${literal(weight)};`);
  return {
    key: `weighted-sum.gradient.${weights.map(Math.fround).join(',')}`,
    bindings: ['read', ...weights.map(() => 'write' as const)],
    workgroups: [1, 1, 1],
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> cotangent: array<f32>;
${declarations.join('\n')}

@compute @workgroup_size(1)
fn main() {
  ${lines.join('\n  ')}
}
`,
  };
}
