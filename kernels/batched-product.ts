import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { hasRegisterTiles, registerProduct } from './batched-product-registers.ts';
import type { BatchedProductSpec } from './batched-product-spec.ts';
import { type AdapterProfile, floatBits, type Kernel } from './kernel.ts';
import { linearMain, linearWorkgroups } from './linear.ts';

/*
 * Products of many small matrices, what attention is made of:
 *
 *   y[g,m,n] = factor·Σ_k a[g,m,k]·b[g,k,n]
 *
 * a is kept as [groups,M,K], or transposed as [groups,K,M]; b as [groups,K,N], or transposed as
 * [groups,N,K]. An invocation makes a tile of 4×4 results from blocks of 4×4 values of a and of b, read
 * as four vec4s each; neighbouring lanes take neighbouring tiles of a row, so that they share a's block
 * and stream through b. Sizes come as constants, so that eight pipelines serve all attention: four
 * orientations, aligned or not. Where a stored row is no multiple of 4 long, elements are read one by one and
 * those outside count as 0. On CPU drivers whole vec4s go to
 * `batched-product-registers.ts`.
 */

/**
 * Reads the four vec4s of a block: vec4 `i` holds the elements (first + i, second), (…, second + 1), … of a
 * matrix stored as [`outer`, `inner`].
 */
function blockReader(name: string, outer: string, inner: string, aligned: boolean): string {
  const elements = [0, 1, 2, 3].map((k) => `${name}Element(at, second + ${k}u)`).join(', ');
  return aligned
    ? `
fn ${name}Row(matrix: u32, first: u32, second: u32) -> vec4f {
  if (first >= sizes.${outer}) { return vec4f(0.0); }
  return ${name}[((matrix * sizes.${outer} + first) * sizes.${inner} + second) / 4u];
}`
    : `
fn ${name}Element(at: u32, inner: u32) -> f32 {
  if (inner >= sizes.${inner}) { return 0.0; }
  return ${name}[at + inner];
}
fn ${name}Row(matrix: u32, first: u32, second: u32) -> vec4f {
  if (first >= sizes.${outer}) { return vec4f(0.0); }
  let at = (matrix * sizes.${outer} + first) * sizes.${inner};
  return vec4f(${elements});
}`;
}

/** Adds the block's products to the four accumulators. */
function accumulate({ transposeA, transposeB }: BatchedProductSpec): string {
  const rows = [0, 1, 2, 3];
  const lanes = ['x', 'y', 'z', 'w'];
  return rows
    .map((m) => {
      const a = transposeA ? `vec4f(${rows.map((k) => `a${k}.${lanes[m]}`).join(', ')})` : `a${m}`;
      if (transposeB) {
        return `sum${m} += vec4f(${rows.map((n) => `dot(${a}, b${n})`).join(', ')});`;
      }
      const factors = rows.map((k) => (transposeA ? `a${k}.${lanes[m]}` : `a${m}.${lanes[k]}`));
      return `sum${m} += ${rows.map((k) => `${factors[k]} * b${k}`).join(' + ')};`;
    })
    .join('\n    ');
}

/** Bindings a, b, y. */
export function batchedProduct(spec: BatchedProductSpec, profile: AdapterProfile): Kernel {
  return hasRegisterTiles(spec, profile) ? registerProduct(spec, profile) : blockProduct(spec);
}

/** Bindings a, b, y. */
function blockProduct(spec: BatchedProductSpec): Kernel {
  const { groups, rows, columns, depth, transposeA, transposeB, factor } = spec;
  const innerA = transposeA ? rows : depth;
  const innerB = transposeB ? depth : columns;
  const aligned = innerA % 4 === 0 && innerB % 4 === 0 && columns % 4 === 0;
  const type = aligned ? 'vec4f' : 'f32';
  const tilesDown = Math.ceil(rows / 4);
  const tilesAcross = Math.ceil(columns / 4);
  const each = [0, 1, 2, 3];
  const readA = transposeA ? 'aRow(matrix, k + Iu, row)' : 'aRow(matrix, row + Iu, k)';
  const readB = transposeB ? 'bRow(matrix, column + Iu, k)' : 'bRow(matrix, k + Iu, column)';
  return {
    key: `batched-product.${transposeA ? 't' : 'n'}${transposeB ? 't' : 'n'}.${aligned}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: linearWorkgroups(groups * tilesDown * tilesAcross),
    constants: [rows, columns, depth, tilesDown, tilesAcross, groups, floatBits(factor)],
    code: () => wgsl`
struct Sizes {
  rows: u32, columns: u32, depth: u32, tilesDown: u32, tilesAcross: u32, groups: u32, factor: f32,
}
@group(0) @binding(0) var<storage, read> a: array<${type}>;
@group(0) @binding(1) var<storage, read> b: array<${type}>;
@group(0) @binding(2) var<storage, read_write> result: array<${type}>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${blockReader('a', transposeA ? 'depth' : 'rows', transposeA ? 'rows' : 'depth', aligned)}
${blockReader('b', transposeB ? 'columns' : 'depth', transposeB ? 'depth' : 'columns', aligned)}

fn store(matrix: u32, row: u32, column: u32, value: vec4f) {
  if (row >= sizes.rows) { return; }
  let at = (matrix * sizes.rows + row) * sizes.columns + column;
#if ${aligned}
  result[at / 4u] = value * sizes.factor;
#else
  for (var i = 0u; i < 4u; i++) {
    if (column + i < sizes.columns) { result[at + i] = value[i] * sizes.factor; }
  }
#endif
}

${linearMain('sizes.groups * sizes.tilesDown * sizes.tilesAcross')}
  let line = index / sizes.tilesAcross;
  let column = (index - line * sizes.tilesAcross) * 4u;
  let matrix = line / sizes.tilesDown;
  let row = (line - matrix * sizes.tilesDown) * 4u;
  let depth = sizes.depth;
${each.map((m) => `  var sum${m} = vec4f(0.0);`).join('\n')}
  for (var k = 0u; k < depth; k += 4u) {
${each.map((i) => `    let a${i} = ${readA.replace('I', String(i))};`).join('\n')}
${each.map((i) => `    let b${i} = ${readB.replace('I', String(i))};`).join('\n')}
    ${accumulate(spec)}
  }
${each.map((m) => `  store(matrix, row + ${m}u, column, sum${m});`).join('\n')}
}
`,
  };
}
