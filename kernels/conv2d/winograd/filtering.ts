/*
 * Minimal filtering of Winograd (Lavin & Gray, arXiv 1509.09308): a tile of 4×4 outputs of a
 * correlation with r×r taps costs (3+r)² products instead of 16·r².
 *
 *   Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A        d: (3+r)×(3+r) pixels, g: r×r weights, Y: 4×4 outputs
 *
 * The matrices follow from the 3+r points at which polynomials are evaluated; `three-taps.ts` and
 * `paired-points.ts` choose them.
 *
 * A transform goes along one axis in straight code (the functions of a filtering make WGSL of the product
 * of a matrix with a vector, whose elements are the given expressions) and along the other in a loop, that
 * adds what each row or column contributes to all elements. Straight code for both is no faster, and takes
 * a CPU driver ten seconds to compile.
 */

/** Outputs a side of a tile. */
export const TILE = 4;

export type Matrix = readonly (readonly number[])[];

export interface Transformed {
  readonly lines: readonly string[];
  readonly results: readonly string[];
}

/** WGSL of a matrix times a vector: `name` starts the names of what it defines. */
type Transform = (name: string, vector: readonly string[]) => Transformed;

export interface Filtering {
  /** r. */
  readonly taps: 2 | 3 | 4;
  /** 3 + r: pixels a side that a tile's outputs need. */
  readonly patch: number;
  /** Bᵀ, G and Aᵀ. */
  readonly inputMatrix: Matrix;
  readonly weightMatrix: Matrix;
  readonly outputMatrix: Matrix;
  /** Bᵀx, G g and Aᵀm. */
  readonly input: Transform;
  readonly weights: Transform;
  readonly output: Transform;
  /** Their adjoints that the weight gradient needs: A y and Gᵀu. */
  readonly cotangent: Transform;
  readonly weightCotangent: Transform;
}

/** 0, 1, … of `count` numbers. */
export const indices = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Names of the elements of a matrix, row by row. */
export function elementNames(name: string, rows: number, columns: number): string[][] {
  return indices(rows).map((y) => indices(columns).map((x) => `${name}${y}_${x}`));
}

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

/** `values` under names of their own, after `helpers`. */
export function defined(
  name: string,
  helpers: readonly string[],
  values: readonly string[],
): Transformed {
  const results = values.map((_, i) => `${name}${i}`);
  return {
    lines: [...helpers, ...values.map((value, i) => `let ${results[i]} = ${value};`)],
    results,
  };
}

/** WGSL variables of these names, holding zeros. */
export function zeros(names: readonly (readonly string[])[]): string[] {
  return names.flat().map((name) => `var ${name} = vec4f(0.0);`);
}

/**
 * WGSL that adds to element (y, x) what one row or column, transformed along itself, contributes: its factor in
 * column `line` of `MATRIX` times its result.
 * @param along whether results follow x (a row was transformed) or y (a column)
 */
export function addContribution(
  names: readonly (readonly string[])[],
  results: readonly string[],
  line: string,
  along: 'x' | 'y',
): string[] {
  const factors = along === 'x' ? names.length : names[0].length;
  const lines = indices(factors).map((f) => `let w${f} = MATRIX[${line}][${f}];`);
  names.forEach((row, y) => {
    row.forEach((name, x) => {
      const [factor, result] = along === 'x' ? [y, x] : [x, y];
      lines.push(`${name} += w${factor} * ${results[result]};`);
    });
  });
  return lines;
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
