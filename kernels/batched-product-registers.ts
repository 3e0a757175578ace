import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { BatchedProductSpec } from './batched-product-spec.ts';
import { type AdapterProfile, floatBits, type Kernel, spreadWorkgroups } from './kernel.ts';

/*
 * Batched products for CPU drivers: a workgroup is one subgroup and owns 16 rows × 4·lanes columns of y, a lane
 * four neighbouring columns in 16 vec4s. A step sums four k:
 *
 *   b   a lane loads what its columns need, four vec4s; stored transposed, their elements only change places
 *   a   16 rows × 4 k are 16 vec4s, along k or along the rows as a is stored, which the lanes load together and
 *       get from each other by broadcast
 *
 * What lies beyond the matrices is read, from whatever follows, but not stored.
 */

const ROWS = 16;
const ELEMENTS = 'xyzw';

/** Whether the kernel takes such products on such an adapter. */
export function hasRegisterTiles(spec: BatchedProductSpec, profile: AdapterProfile): boolean {
  const { kind, subgroupSize } = profile;
  const isWhole = [spec.rows, spec.columns, spec.depth].every((extent) => extent % 4 === 0);
  return isWhole && kind === 'cpu' && [4, 8, 16].includes(subgroupSize);
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** Bindings a, b, y. Rows, columns and depth are multiples of 4. */
export function registerProduct(spec: BatchedProductSpec, profile: AdapterProfile): Kernel {
  const { groups, rows, columns, depth, transposeA, transposeB, factor } = spec;
  const lanes = profile.subgroupSize;
  const across = Math.ceil(columns / (4 * lanes));
  const down = Math.ceil(rows / ROWS);
  /** The lane's vec4 number `held` of a's block: along k, or along the rows. */
  const loadA = (held: number): string => {
    const number = `(lane + ${held * lanes}u)`;
    return transposeA
      ? `a[firstA + (k + ${number} / 4u) * (rows / 4u) + ${number} % 4u]`
      : `a[firstA + ${number} * (depth / 4u) + k / 4u]`;
  };
  /** a[row + r, k + j], from the lane that holds it. */
  const elementA = (r: number, j: number): string => {
    const [vector, element] = transposeA ? [j * 4 + (r >> 2), r & 3] : [r, j];
    return `subgroupBroadcast(held${Math.floor(vector / lanes)}.${ELEMENTS[element]}, ${vector % lanes}u)`;
  };
  const loadB = (i: number): string =>
    transposeB
      ? `b[firstB + ${i}u * (depth / 4u) + k / 4u]`
      : `b[firstB + (k + ${i}u) * (columns / 4u)]`;
  const columnsB = (j: number): string =>
    transposeB ? `vec4f(${range(4).map((i) => `b${i}.${ELEMENTS[j]}`)})` : `b${j}`;
  return {
    key: `batched-product.registers.${transposeA ? 't' : 'n'}${transposeB ? 't' : 'n'}.${lanes}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(groups * down * across),
    constants: [rows, columns, depth, down, across, groups, floatBits(factor)],
    requires: ['subgroups'],
    code: () => wgsl`enable subgroups;
struct Sizes {
  rows: u32, columns: u32, depth: u32, down: u32, across: u32, groups: u32, factor: f32,
}
@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) workgroups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * workgroups.x + group.x;
  let line = index / sizes.across;
  let matrix = line / sizes.down;
  if (matrix >= sizes.groups) { return; }
  let rows = sizes.rows;
  let columns = sizes.columns;
  let depth = sizes.depth;
  let row = (line - matrix * sizes.down) * ${ROWS}u;
  let column = ((index - line * sizes.across) * ${lanes}u + lane) * 4u;
  let firstA = (matrix * rows * depth + ${transposeA ? 'row' : 'row * depth'}) / 4u;
  let firstB = (matrix * columns * depth + ${transposeB ? 'column * depth' : 'column'}) / 4u;
${range(ROWS)
  .map((r) => `  var sum${r} = vec4f(0.0);`)
  .join('\n')}
  for (var k = 0u; k < depth; k += 4u) {
${range(ROWS / lanes)
  .map((held) => `    let held${held} = ${loadA(held)};`)
  .join('\n')}
${range(4)
  .map((i) => `    let b${i} = ${loadB(i)};`)
  .join('\n')}
${range(4)
  .map((j) => `    let c${j} = ${columnsB(j)};`)
  .join('\n')}
${range(ROWS)
  .map(
    (r) =>
      `    sum${r} += ${range(4)
        .map((j) => `${elementA(r, j)} * c${j}`)
        .join(' + ')};`,
  )
  .join('\n')}
  }
  if (column < columns) {
    let first = (matrix * rows + row) * (columns / 4u) + column / 4u;
${range(ROWS)
  .map(
    (r) =>
      `    if (row + ${r}u < rows) { result[first + ${r}u * (columns / 4u)] = sum${r} * sizes.factor; }`,
  )
  .join('\n')}
  }
}
`,
  };
}
