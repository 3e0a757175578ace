import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { AdapterProfile, Kernel } from './kernel.ts';
import { vectorMain, vectorWorkgroups } from './linear.ts';

/*
 * The Gaussian error linear unit, exact (not the tanh approximation):
 *
 *   y = x·Φ(x)     dx = dy·(Φ(x) + x·φ(x))     Φ(x) = ½ erfc(-x/√2),  φ(x) = e^(-x²/2)/√(2π)
 *
 * WGSL has no erf. erfc(z), z ≥ 0, is t·e^(-z² + P(t)), t = 1/(1 + z/2), with the Chebyshev fit of Press et al.,
 * "Numerical Recipes", whose relative error is below 1.2e-7 everywhere, so that the left tail keeps its digits.
 * The input is kept for the backward pass: y does not tell it (GELU is not monotonic).
 */

const NORMAL = `
/** Φ of each component. */
fn normalDistribution(x: vec4f) -> vec4f {
  let z = min(abs(x) * 0.70710678, vec4f(20.0));
  let t = 1.0 / (1.0 + 0.5 * z);
  let p = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806
    + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
  let tail = 0.5 * t * exp(-z * z + p);
  return select(1.0 - tail, tail, x < vec4f(0.0));
}`;

/** y = x·Φ(x). Bindings x, y. */
export function geluForward(size: number, profile?: AdapterProfile): Kernel {
  return {
    key: 'gelu.forward',
    bindings: ['read', 'write'],
    workgroups: vectorWorkgroups(Math.ceil(size / 4), profile),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> result: array<vec4f>;
${NORMAL}

${vectorMain('arrayLength(&result)')}
  let x = source[index];
  result[index] = x * normalDistribution(x);
  }
}
`,
  };
}

/** Bindings dy, x, dx. */
export function geluBackward(size: number, profile?: AdapterProfile): Kernel {
  return {
    key: 'gelu.backward',
    bindings: ['read', 'read', 'write'],
    workgroups: vectorWorkgroups(Math.ceil(size / 4), profile),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> cotangent: array<vec4f>;
@group(0) @binding(1) var<storage, read> source: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4f>;
${NORMAL}

${vectorMain('arrayLength(&result)')}
  let x = source[index];
  let near = min(abs(x), vec4f(20.0));
  let density = 0.39894228 * exp(-0.5 * near * near);
  result[index] = cotangent[index] * (normalDistribution(x) + x * density);
  }
}
`,
  };
}
