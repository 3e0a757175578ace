import { literal } from './linear.ts';

/*
 * Activations as WGSL expressions on vec4f, shared by the stand-alone kernels and by the epilogues of
 * the convolutions. All of them can be differentiated from their output, so that nothing but the
 * output has to be kept:
 *
 *   relu        y = max(x, 0)               dx = y > 0 ? dy : 0
 *   leaky_relu  y = x < 0 ? slope·x : x     dx = y > 0 ? dy : slope·dy     (slope > 0)
 *   tanh        y = tanh(x)                 dx = dy·(1 - y²)
 *   sigmoid     y = 1/(1 + e^-x)            dx = dy·y·(1 - y)
 *
 * At exactly 0 the rectifiers take the slope of the negative side, as PyTorch does.
 *
 * NaN stays NaN. `max` and the drivers' own clamping of `tanh` would turn it into a number, and a
 * comparison with NaN may go either way; so the rectifiers choose between two values that are both
 * NaN then, or test the bits.
 */

export type Activation =
  | { readonly kind: 'none' | 'relu' | 'tanh' | 'sigmoid' }
  | { readonly kind: 'leaky_relu'; readonly slope: number };

/** No activation. */
export const NONE: Activation = { kind: 'none' };

/** Part of a kernel's key: equal texts mean equal functions. */
export function activationKey(activation: Activation): string {
  return activation.kind === 'leaky_relu' ? `leaky_relu${activation.slope}` : activation.kind;
}

/** `value` where `x` is a number, `x` itself where it is NaN. */
function keepNan(value: string, x: string): string {
  return `select(${value}, ${x}, (bitcast<vec4u>(${x}) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u))`;
}

/** WGSL expression of f(x). @param x name of a vec4f (it is used several times) */
export function activationForward(activation: Activation, x: string): string {
  switch (activation.kind) {
    case 'none':
      return x;
    case 'relu':
      return keepNan(`select(${x}, vec4f(0.0), ${x} < vec4f(0.0))`, x);
    case 'leaky_relu':
      return `select(${x}, ${literal(activation.slope)} * ${x}, ${x} < vec4f(0.0))`;
    case 'tanh':
      return keepNan(`tanh(clamp(${x}, vec4f(-15.0), vec4f(15.0)))`, x);
    case 'sigmoid':
      return keepNan(`(1.0 / (1.0 + exp(-clamp(${x}, vec4f(-87.0), vec4f(87.0)))))`, x);
  }
}

/**
 * WGSL expression of dy·f'(x) in terms of the output.
 * @param dy name of a vec4f, the cotangent of y
 * @param y name of a vec4f, f(x)
 */
export function activationGradient(activation: Activation, dy: string, y: string): string {
  switch (activation.kind) {
    case 'none':
      return dy;
    case 'relu':
      return `select(vec4f(0.0), ${dy}, ${y} > vec4f(0.0))`;
    case 'leaky_relu':
      return `select(${literal(activation.slope)} * ${dy}, ${dy}, ${y} > vec4f(0.0))`;
    case 'tanh':
      return `(${dy} * (1.0 - ${y} * ${y}))`;
    case 'sigmoid':
      return `(${dy} * ${y} * (1.0 - ${y}))`;
  }
}
