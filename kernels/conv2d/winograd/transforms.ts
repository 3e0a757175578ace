/*
 * Minimal filtering F(4×4, 3×3) of Winograd (Lavin & Gray, arXiv 1509.09308): a tile of 4×4 outputs of
 * a 3×3 correlation costs 36 products instead of 144.
 *
 *   Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A        d: 6×6 pixels, g: 3×3 weights, Y: 4×4 outputs
 *
 * The matrices follow from the six points at which polynomials are evaluated. The usual ones, 0, ±1, ±2
 * and ∞, lose two bits more than a direct sum; 0, ±1/√2, ±√2 and ∞ lose one: their powers are closer to
 * 1, and the square root costs nothing since only its products with differences of pixels appear.
 *
 *        1    0   -5/2   0    1  0             1     0     0
 *        0  -√2    -2  1/√2   1  0           -2/3  -√2/3 -1/3           1    1     1    1   1   0
 *   Bᵀ = 0   √2    -2 -1/√2   1  0      G =  -2/3   √2/3 -1/3     Aᵀ =  0  1/√2 -1/√2   √2 -√2  0
 *        0 -1/√2 -1/2   √2    1  0            1/6   √2/6  1/3           0   1/2   1/2   2   2   0
 *        0  1/√2 -1/2  -√2    1  0            1/6  -√2/6  1/3           0  √2/4 -√2/4  2√2 -2√2 1
 *        0    1     0  -5/2   0  1             0     0     1
 *
 * A transform goes along one axis in straight code (the functions here make WGSL of the product of a
 * matrix with a vector, whose elements are the given expressions) and along the other in a loop, that adds
 * what each row or column contributes to all elements. Straight code for both is no faster, and takes a
 * CPU driver ten seconds to compile.
 */

/** Outputs a side of a tile, pixels a side that they need, and products a tile. */
export const TILE = 4;
export const PATCH = 6;
export const PRODUCTS = PATCH * PATCH;

const ROOT = 'f32(1.4142135623730951)';
const HALF_ROOT = 'f32(0.7071067811865476)';
const R = Math.SQRT2;

/** Bᵀ, G and Aᵀ. */
export const INPUT_MATRIX = [
  [1, 0, -2.5, 0, 1, 0],
  [0, -R, -2, R / 2, 1, 0],
  [0, R, -2, -R / 2, 1, 0],
  [0, -R / 2, -0.5, R, 1, 0],
  [0, R / 2, -0.5, -R, 1, 0],
  [0, 1, 0, -2.5, 0, 1],
] as const;
export const WEIGHT_MATRIX = [
  [1, 0, 0],
  [-2 / 3, -R / 3, -1 / 3],
  [-2 / 3, R / 3, -1 / 3],
  [1 / 6, R / 6, 1 / 3],
  [1 / 6, -R / 6, 1 / 3],
  [0, 0, 1],
] as const;
export const OUTPUT_MATRIX = [
  [1, 1, 1, 1, 1, 0],
  [0, R / 2, -R / 2, R, -R, 0],
  [0, 0.5, 0.5, 2, 2, 0],
  [0, R / 4, -R / 4, 2 * R, -2 * R, 1],
] as const;

type Matrix = readonly (readonly number[])[];

export function transposed(matrix: Matrix): Matrix {
  return matrix[0].map((_, j) => matrix.map((row) => row[j]));
}

/** WGSL of a constant `MATRIX`, the columns of a matrix. */
export function matrixColumns(matrix: Matrix): string {
  const columns = matrix[0].map((_, j) => {
    const column = matrix.map((row) => `f32(${Math.fround(row[j])})`);
    return `array<f32, ${matrix.length}>(${column.join(', ')})`;
  });
  return `const MATRIX = array<array<f32, ${matrix.length}>, ${columns.length}>(\n  ${columns.join(',\n  ')});`;
}

export interface Transformed {
  readonly lines: readonly string[];
  readonly results: readonly string[];
}

function defined(name: string, helpers: readonly string[], values: readonly string[]): Transformed {
  const results = values.map((_, i) => `${name}${i}`);
  return {
    lines: [...helpers, ...values.map((value, i) => `let ${results[i]} = ${value};`)],
    results,
  };
}

/** Bᵀx, x of 6 elements. */
export function transformInput(name: string, x: readonly string[]): Transformed {
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
export function transformWeights(name: string, g: readonly string[]): Transformed {
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
export function transformOutput(name: string, m: readonly string[]): Transformed {
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

/** A y, y of 4 elements: adjoint of `transformOutput`. */
export function transformCotangent(name: string, y: readonly string[]): Transformed {
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

/** Gᵀu, u of 6 elements: adjoint of `transformWeights`. */
export function transformWeightCotangent(name: string, u: readonly string[]): Transformed {
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

/**
 * WGSL that stores values `pitch` apart from `first` on. In a loop whose bound the driver cannot see: in
 * straight code the stores would take it longer to compile than everything else.
 */
export function storeAll(
  storage: string,
  values: readonly string[],
  first: string,
  pitch: string,
): string[] {
  return [
    `var values = array<vec4f, ${values.length}>(${values.join(', ')});`,
    `for (var k = 0u; k < sizes.stores; k++) { ${storage}[${first} + k * ${pitch}] = values[k]; }`,
  ];
}
