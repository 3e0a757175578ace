import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from './kernel.ts';
import { linearMain, linearWorkgroups } from './linear.ts';

/*
 * Adam over one arena, a vec4 of parameters an invocation:
 *
 *   g ← scale·g,  m ← β₁m + (1-β₁)g,  v ← β₂v + (1-β₂)g²
 *   θ ← θ - rate · m / (√v · correction + ε)
 *
 * rate = lr/(1-β₁ᵗ) and correction = 1/√(1-β₂ᵗ) come from the host, computed in double: 1-β₂ᵗ in f32
 * alone is wrong by 2e-5 in the first steps. Source: torch `optim/adam.py`.
 */

/** The `hyper` storage: eight f32. */
export interface AdamHyper {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Updates made, this one included. */
  readonly step: number;
  /** Gradients are multiplied by it (1/loss scale). */
  readonly gradientScale: number;
}

/** Values of the `hyper` binding. */
export function adamHyper(hyper: AdamHyper): Float32Array {
  const { learningRate, beta1, beta2, epsilon, step, gradientScale } = hyper;
  return Float32Array.of(
    learningRate / (1 - beta1 ** step),
    1 / Math.sqrt(1 - beta2 ** step),
    beta1,
    1 - beta1,
    beta2,
    1 - beta2,
    epsilon,
    gradientScale,
  );
}

/**
 * Bindings gradient, hyper, parameter, first moment, second moment.
 * @param length elements of the arena, a multiple of 4
 * @param guarded whether hyper has a third vec4 (`updateLossScale`), without whose x nothing is done
 */
export function adam(length: number, guarded = false): Kernel {
  return {
    key: guarded ? 'adam.guarded' : 'adam',
    bindings: ['read', 'read', 'write', 'write', 'write'],
    workgroups: linearWorkgroups(Math.ceil(length / 4)),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(1) var<storage, read> hyper: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> parameter: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> first: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> second: array<vec4f>;
${linearMain('arrayLength(&parameter)')}
#if ${guarded}
  if (hyper[2].x == 0.0) { return; }
#endif
  let rate = hyper[0].x;
  let correction = hyper[0].y;
  let g = gradient[index] * hyper[1].w;
  let m = hyper[0].z * first[index] + hyper[0].w * g;
  let v = hyper[1].x * second[index] + hyper[1].y * (g * g);
  first[index] = m;
  second[index] = v;
  parameter[index] = parameter[index] - rate * m / (sqrt(v) * correction + hyper[1].z);
}
`,
  };
}
