/*
 * e^x and log x that stay NaN where x is: SwiftShader's own clamp their arguments, which makes numbers of NaN.
 */

const keepNan = (name: string, builtin: string): string => `
fn ${name}(value: f32) -> f32 {
  return select(${builtin}(value), value, (bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u);
}`;

/** Declares `fn exponential(values: vec4f) -> vec4f`. */
export const EXPONENTIALS = `
fn exponential(values: vec4f) -> vec4f {
  return select(exp(values), values, (bitcast<vec4u>(values) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u));
}`;

/** Declares `fn exponential(value: f32) -> f32`. */
export const EXPONENTIAL = keepNan('exponential', 'exp');

/** Declares `fn logarithm(value: f32) -> f32`. */
export const LOGARITHM = keepNan('logarithm', 'log');
