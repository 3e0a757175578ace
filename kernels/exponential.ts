/*
 * e^x and log x that stay NaN where x is: SwiftShader's own clamp their arguments, which makes numbers of NaN.
 */

const keepNan = (name: string, builtin: string): string => `
fn ${name}(x: f32) -> f32 {
  return select(${builtin}(x), x, (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u);
}`;

/** Declares `fn exponential(x: vec4f) -> vec4f`. */
export const EXPONENTIALS = `
fn exponential(x: vec4f) -> vec4f {
  return select(exp(x), x, (bitcast<vec4u>(x) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u));
}`;

/** Declares `fn exponential(x: f32) -> f32`. */
export const EXPONENTIAL = keepNan('exponential', 'exp');

/** Declares `fn logarithm(x: f32) -> f32`. */
export const LOGARITHM = keepNan('logarithm', 'log');
