import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { AdamHyper } from './adam.ts';
import type { Kernel } from './kernel.ts';

/*
 * One step of a dynamic loss scale, decided where the gradients are: no number has to reach the host
 * before the optimiser goes on.
 *
 *   not finite:  scale ← scale·backoff, counter ← 0, skipped ← skipped + 1; the optimiser does nothing
 *   finite:      applied ← applied + 1, counter ← counter + 1; at `interval`, scale ← scale·growth if that
 *                is finite, and counter ← 0
 *
 * and Adam's `hyper`, whose bias corrections count the updates that were made:
 *
 *   rate = lr/(1-β₁ᵗ)   correction = 1/√(1-β₂ᵗ)   t = applied   1-βᵗ = -expm1(t·ln β)
 *
 * expm1 by its series for small arguments: 1-β₂ᵗ as a difference would be wrong by 2e-5 in the first steps.
 */

/** What a loss scale does; the host's half of it. */
export interface LossScaleSettings extends Omit<AdamHyper, 'step' | 'gradientScale'> {
  readonly growth: number;
  readonly backoff: number;
  readonly interval: number;
}

/** Below this, 1-βᵗ is 1. */
const LEAST_EXPONENT = -100;

/** Values of the `settings` binding. */
export function lossScaleSettings(settings: LossScaleSettings): Float32Array {
  const { learningRate, beta1, beta2, epsilon, growth, backoff, interval } = settings;
  return Float32Array.of(
    ...[beta1, 1 - beta1, beta2, 1 - beta2],
    ...[learningRate, epsilon, logarithm(beta1), logarithm(beta2)],
    ...[growth, backoff, interval, 0],
  );
}

function logarithm(beta: number): number {
  return Math.max(Math.log(beta), LEAST_EXPONENT);
}

/**
 * Bindings: count (one u32, gradients that are not finite), settings, state (scale, counter, applied,
 * skipped), hyper (as `adamHyper`, and a third vec4 whose x is 1 if the optimiser is to make its step).
 */
export function updateLossScale(): Kernel {
  return {
    key: 'loss-scale',
    bindings: ['read', 'read', 'write', 'write'],
    workgroups: [1, 1, 1],
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> count: array<u32>;
@group(0) @binding(1) var<storage, read> settings: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> state: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> hyper: array<vec4f>;

// 1 - e^x for x ≤ 0.
fn missing(x: f32) -> f32 {
  if (x < -0.5) { return 1.0 - exp(max(x, f32(${LEAST_EXPONENT}))); }
  var sum = 1.0;
  for (var n = 9u; n >= 2u; n--) { sum = 1.0 + sum * x / f32(n); }
  return -x * sum;
}

@compute @workgroup_size(1)
fn main() {
  let isFinite = count[0] == 0u;
  let before = state[0];
  let betas = settings[0];
  let rates = settings[1];
  let limits = settings[2];
  let applied = before.z + 1.0;
  hyper[0] = vec4f(rates.x / missing(applied * rates.z), 1.0 / sqrt(missing(applied * rates.w)), betas.xy);
  hyper[1] = vec4f(betas.zw, rates.y, 1.0 / before.x);
  hyper[2] = vec4f(select(0.0, 1.0, isFinite), 0.0, 0.0, 0.0);
  if (!isFinite) {
    state[0] = vec4f(before.x * limits.y, 0.0, before.z, before.w + 1.0);
    return;
  }
  var scale = before.x;
  var counter = before.y + 1.0;
  if (counter >= limits.z) {
    counter = 0.0;
    if (scale <= 3.4028234e38 / limits.x) { scale *= limits.x; }
  }
  state[0] = vec4f(scale, counter, applied, before.w);
}
`,
  };
}
