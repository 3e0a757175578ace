import { defined, type Filtering } from './filtering.ts';

/*
 * F(4×4, 3×3): 36 products instead of 144.
 *
 * The usual points, 0, ±1, ±2 and ∞, lose two bits more than a direct sum; 0, ±1/√2, ±√2 and ∞ lose one:
 * their powers are closer to 1, and the square root costs nothing since only its products with differences
 * of pixels appear.
 *
 *        1    0   -5/2   0    1  0             1     0     0
 *        0  -√2    -2  1/√2   1  0           -2/3  -√2/3 -1/3           1    1     1    1   1   0
 *   Bᵀ = 0   √2    -2 -1/√2   1  0      G =  -2/3   √2/3 -1/3     Aᵀ =  0  1/√2 -1/√2   √2 -√2  0
 *        0 -1/√2 -1/2   √2    1  0            1/6   √2/6  1/3           0   1/2   1/2   2   2   0
 *        0  1/√2 -1/2  -√2    1  0            1/6  -√2/6  1/3           0  √2/4 -√2/4  2√2 -2√2 1
 *        0    1     0  -5/2   0  1             0     0     1
 */

const ROOT = 'f32(1.4142135623730951)';
const HALF_ROOT = 'f32(0.7071067811865476)';
const R = Math.SQRT2;

const INPUT_MATRIX = [
  [1, 0, -2.5, 0, 1, 0],
  [0, -R, -2, R / 2, 1, 0],
  [0, R, -2, -R / 2, 1, 0],
  [0, -R / 2, -0.5, R, 1, 0],
  [0, R / 2, -0.5, -R, 1, 0],
  [0, 1, 0, -2.5, 0, 1],
] as const;
const WEIGHT_MATRIX = [
  [1, 0, 0],
  [-2 / 3, -R / 3, -1 / 3],
  [-2 / 3, R / 3, -1 / 3],
  [1 / 6, R / 6, 1 / 3],
  [1 / 6, -R / 6, 1 / 3],
  [0, 0, 1],
] as const;
const OUTPUT_MATRIX = [
  [1, 1, 1, 1, 1, 0],
  [0, R / 2, -R / 2, R, -R, 0],
  [0, 0.5, 0.5, 2, 2, 0],
  [0, R / 4, -R / 4, 2 * R, -2 * R, 1],
] as const;

/** Bᵀx, x of 6 elements. */
function input(name: string, x: readonly string[]) {
  const helpers = [
    `let ${name}p = ${x[4]} - 2.0 * ${x[2]};`,
    `let ${name}q = ${HALF_ROOT} * (${x[3]} - 2.0 * ${x[1]});`,
    `let ${name}r = ${x[4]} - 0.5 * ${x[2]};`,
    `let ${name}s = ${ROOT} * (${x[3]} - 0.5 * ${x[1]});`,
  ];
  return defined(name, helpers, [
    `${x[0]} - 2.5 * ${x[2]} + ${x[4]}`,
    `${name}p + ${name}q`,
    `${name}p - ${name}q`,
    `${name}r + ${name}s`,
    `${name}r - ${name}s`,
    `${x[1]} - 2.5 * ${x[3]} + ${x[5]}`,
  ]);
}

/** G g, g of 3 elements. */
function weights(name: string, g: readonly string[]) {
  const helpers = [
    `let ${name}p = f32(${-2 / 3}) * ${g[0]} - f32(${1 / 3}) * ${g[2]};`,
    `let ${name}q = f32(${-Math.SQRT2 / 3}) * ${g[1]};`,
    `let ${name}r = f32(${1 / 6}) * ${g[0]} + f32(${1 / 3}) * ${g[2]};`,
    `let ${name}s = f32(${Math.SQRT2 / 6}) * ${g[1]};`,
  ];
  return defined(name, helpers, [
    g[0],
    `${name}p + ${name}q`,
    `${name}p - ${name}q`,
    `${name}r + ${name}s`,
    `${name}r - ${name}s`,
    g[2],
  ]);
}

/** Aᵀm, m of 6 elements. */
function output(name: string, m: readonly string[]) {
  const helpers = [
    `let ${name}p = ${m[1]} + ${m[2]};`,
    `let ${name}q = ${HALF_ROOT} * (${m[1]} - ${m[2]});`,
    `let ${name}r = ${m[3]} + ${m[4]};`,
    `let ${name}s = ${ROOT} * (${m[3]} - ${m[4]});`,
  ];
  return defined(name, helpers, [
    `${m[0]} + ${name}p + ${name}r`,
    `${name}q + ${name}s`,
    `0.5 * ${name}p + 2.0 * ${name}r`,
    `0.5 * ${name}q + 2.0 * ${name}s + ${m[5]}`,
  ]);
}

/** A y, y of 4 elements: adjoint of `output`. */
function cotangent(name: string, y: readonly string[]) {
  const helpers = [
    `let ${name}p = ${y[0]} + 0.5 * ${y[2]};`,
    `let ${name}q = ${HALF_ROOT} * (${y[1]} + 0.5 * ${y[3]});`,
    `let ${name}r = ${y[0]} + 2.0 * ${y[2]};`,
    `let ${name}s = ${ROOT} * (${y[1]} + 2.0 * ${y[3]});`,
  ];
  return defined(name, helpers, [
    y[0],
    `${name}p + ${name}q`,
    `${name}p - ${name}q`,
    `${name}r + ${name}s`,
    `${name}r - ${name}s`,
    y[3],
  ]);
}

/** Gᵀu, u of 6 elements: adjoint of `weights`. */
function weightCotangent(name: string, u: readonly string[]) {
  const helpers = [
    `let ${name}p = ${u[1]} + ${u[2]};`,
    `let ${name}q = ${u[2]} - ${u[1]};`,
    `let ${name}r = ${u[3]} + ${u[4]};`,
    `let ${name}s = ${u[3]} - ${u[4]};`,
  ];
  return defined(name, helpers, [
    `${u[0]} - f32(${2 / 3}) * ${name}p + f32(${1 / 6}) * ${name}r`,
    `f32(${R / 3}) * ${name}q + f32(${R / 6}) * ${name}s`,
    `f32(${1 / 3}) * (${name}r - ${name}p) + ${u[5]}`,
  ]);
}

export const THREE_TAPS: Filtering = {
  taps: 3,
  patch: 6,
  inputMatrix: INPUT_MATRIX,
  weightMatrix: WEIGHT_MATRIX,
  outputMatrix: OUTPUT_MATRIX,
  input,
  weights,
  output,
  cotangent,
  weightCotangent,
};
