import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type AdapterProfile, type Kernel, type Plan, spreadWorkgroups } from './kernel.ts';
import {
  LANES,
  layoutKey,
  PER_LANE,
  SIZES,
  type SpectralNormShape,
  sizesOf,
  vectorAlias,
  vectorWidth,
} from './spectral-norm-layout.ts';
import { workgroupSum } from './workgroup-sum.ts';

/*
 * Spectral normalisation of a weight seen as a matrix M with one row per output channel:
 *
 *   update    v ← n(Mᵀu), u ← n(M v), n(z) = z / max(‖z‖, ε)
 *   forward   σ = uᵀ M v,  y = w / σ
 *   backward  ∂w = (g − ⟨g, y⟩·u vᵀ) / σ
 *
 * Layout: w is stored as [blocks, rows, inner], M[o, b·inner + k] = w[b, o, k]. A convolution
 * (OIHW) is one block; a transposed convolution (IOHW) has a block per input channel.
 *
 * Both products read w once, along its rows: the transposed one keeps several neighbouring columns
 * per invocation in registers and walks down the rows; on GPUs it is split over chunks of rows, whose
 * partial sums are added afterwards. Since n is applied to the small vectors only, the unnormalised
 * Mᵀu goes through M first and one workgroup then does everything that needs a norm.
 *
 * Loops start or end at a value that the compiler does not know: lavapipe unrolls short loops of
 * known length, which gains nothing where memory is the limit and takes seconds to compile. Sizes come
 * as constants, so that all layers of a network share their pipelines.
 */

/** Where column `column` of the first row lies in w: WGSL expression. */
function columnAddress({ blocks }: SpectralNormShape, column: string): string {
  return blocks === 1
    ? column
    : `(${column} / sizes.stride) * sizes.rows * sizes.stride + ${column} % sizes.stride`;
}

/** Rows that one workgroup of the transposed product takes on a GPU. */
const GPU_ROW_CHUNK = 32;
/** Vectors of neighbouring columns an invocation keeps in registers on a CPU adapter. */
const CPU_COLUMNS = 2;

/** Number of partial sums that the transposed product leaves per column. */
function rowChunks(shape: SpectralNormShape, profile: AdapterProfile): number {
  return profile.kind === 'cpu' ? 1 : Math.ceil(shape.rows / GPU_ROW_CHUNK);
}

/** partial[chunk, column] = Σ_{o in chunk} M[o, column]·u[o]. Bindings: w, u, partial. */
function transposedProduct(shape: SpectralNormShape, profile: AdapterProfile): Kernel {
  const cpu = profile.kind === 'cpu';
  const lanes = cpu ? profile.subgroupSize || 8 : 64;
  const perLane = cpu ? CPU_COLUMNS : 1;
  const chunks = rowChunks(shape, profile);
  const sizes = sizesOf(shape);
  const each = (line: (j: number) => string): string =>
    Array.from({ length: perLane }, (_, j) => line(j)).join('\n  ');
  return {
    key: `spectral.transposed.${layoutKey(shape)}.${lanes}x${perLane}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: [Math.ceil(sizes[1] / (lanes * perLane)), chunks, 1],
    // Quads of rows a chunk.
    constants: [...sizes, cpu ? Math.ceil(shape.rows / 4) : GPU_ROW_CHUNK / 4],
    code: () => wgsl`
${vectorAlias(vectorWidth(shape.inner))}
struct Sizes { rows: u32, columns: u32, stride: u32, quads: u32 }
@group(0) @binding(0) var<storage, read> weight: array<V>;
@group(0) @binding(1) var<storage, read> u: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> result: array<V>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  ${each((j) => `let column${j} = (group.x * ${perLane}u + ${j}u) * ${lanes}u + lane;`)}
  ${each((j) => `let inside${j} = min(column${j}, sizes.columns - 1u);`)}
  ${each((j) => `let at${j} = ${columnAddress(shape, `inside${j}`)};`)}
  ${each((j) => `var sum${j} = V();`)}
  let whole = sizes.rows / 4u;
  let end = min((group.y + 1u) * sizes.quads, whole);
  for (var quad = group.y * sizes.quads; quad < end; quad++) {
    let factor = u[quad];
    let row = quad * 4u * sizes.stride;
    ${[0, 1, 2, 3]
      .map((i) =>
        each((j) => `sum${j} += weight[at${j} + row + ${i}u * sizes.stride] * factor[${i}];`),
      )
      .join('\n    ')}
  }
  // One to three rows are left to the last chunk.
  let left = select(0u, sizes.rows % 4u, group.y == whole / sizes.quads);
  for (var k = 0u; k < left; k++) {
    let factor = u[whole][k];
    let row = (whole * 4u + k) * sizes.stride;
    ${each((j) => `sum${j} += weight[at${j} + row] * factor;`)}
  }
  ${each((j) => `if (column${j} < sizes.columns) { result[group.y * sizes.columns + column${j}] = sum${j}; }`)}
}
`,
  };
}

/** result[i] = Σ_chunk partial[chunk, i]. Bindings: partial, result. */
function sumChunks(length: number, chunks: number): Kernel {
  const width = vectorWidth(length);
  const count = length / width;
  return {
    key: `spectral.chunks.${width}`,
    bindings: ['read', 'write', 'read'],
    workgroups: [Math.ceil(count / 64), 1, 1],
    constants: [count, chunks],
    code: () => wgsl`
${vectorAlias(width)}
struct Sizes { count: u32, chunks: u32 }
@group(0) @binding(0) var<storage, read> partials: array<V>;
@group(0) @binding(1) var<storage, read_write> result: array<V>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= sizes.count) { return; }
  var sum = V();
  for (var chunk = 0u; chunk < sizes.chunks; chunk++) {
    sum += partials[chunk * sizes.count + id.x];
  }
  result[id.x] = sum;
}
`,
  };
}

/** product[o] = Σ_column M[o, column]·v[column], four rows a workgroup. Bindings: w, v, product. */
function rowProduct(shape: SpectralNormShape, profile: AdapterProfile): Kernel {
  const sum = workgroupSum('vec4f', profile, 64);
  const { lanes } = sum;
  return {
    key: `spectral.product.${layoutKey(shape)}.${sum.tag}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: [Math.ceil(shape.rows / 4), 1, 1],
    constants: sizesOf(shape),
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
${vectorAlias(vectorWidth(shape.inner))}
${SIZES}
@group(0) @binding(0) var<storage, read> weight: array<V>;
@group(0) @binding(1) var<storage, read> v: array<V>;
@group(0) @binding(2) var<storage, read_write> product: array<vec4f>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${sum.declarations}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  // Rows past the last one repeat it; nobody looks at their products.
  let last = sizes.rows - 1u;
  let row0 = group.x * 4u * sizes.stride;
  let row1 = min(group.x * 4u + 1u, last) * sizes.stride;
  let row2 = min(group.x * 4u + 2u, last) * sizes.stride;
  let row3 = min(group.x * 4u + 3u, last) * sizes.stride;
  var sum0 = V(); var sum1 = V(); var sum2 = V(); var sum3 = V();
  for (var column = lane; column < sizes.columns; column += ${lanes}u) {
    let at = ${columnAddress(shape, 'column')};
    let factor = v[column];
    sum0 += weight[at + row0] * factor;
    sum1 += weight[at + row1] * factor;
    sum2 += weight[at + row2] * factor;
    sum3 += weight[at + row3] * factor;
  }
  let total = workgroupSum(vec4f(fold(sum0), fold(sum1), fold(sum2), fold(sum3)), lane);
  if (lane == 0u) { product[group.x] = total; }
}
`,
  };
}

/**
 * After an update: from z = Mᵀu and p = M z, v = n(z), u = n(M v), σ = uᵀMv.
 * Bindings: z, p, u, v, saved u, saved v, σ.
 *
 * Without one: σ = uᵀp with p = M v; u and v are copied. Bindings: u, v, p, saved u, saved v, σ.
 */
function finish(
  rows: number,
  columns: number,
  epsilon: number,
  update: boolean,
  profile: AdapterProfile,
): Kernel {
  const width = vectorWidth(columns);
  const sum = workgroupSum('f32', profile, 256);
  const { lanes } = sum;
  /** A loop of this workgroup over `length` elements with index `i`. */
  const over = (length: string, body: string): string => `
  for (var i = lane; i < ${length}; i += ${lanes}u) { ${body} }`;
  return {
    key: `spectral.finish.${width}.${epsilon}.${update}.${sum.tag}`,
    bindings: update
      ? ['read', 'read', 'write', 'write', 'write', 'write', 'write', 'read']
      : ['read', 'read', 'read', 'write', 'write', 'write', 'read'],
    workgroups: [1, 1, 1],
    constants: [rows, columns / width],
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
${vectorAlias(width)}
struct Sizes { rows: u32, count: u32 }
const EPSILON = ${epsilon.toExponential()}f;
#if ${update}
@group(0) @binding(0) var<storage, read> z: array<V>;
@group(0) @binding(1) var<storage, read> product: array<f32>;
@group(0) @binding(2) var<storage, read_write> u: array<f32>;
@group(0) @binding(3) var<storage, read_write> v: array<V>;
@group(0) @binding(4) var<storage, read_write> savedU: array<f32>;
@group(0) @binding(5) var<storage, read_write> savedV: array<V>;
@group(0) @binding(6) var<storage, read_write> sigma: array<f32>;
@group(0) @binding(7) var<storage, read> sizes: Sizes;
#else
@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> v: array<V>;
@group(0) @binding(2) var<storage, read> product: array<f32>;
@group(0) @binding(3) var<storage, read_write> savedU: array<f32>;
@group(0) @binding(4) var<storage, read_write> savedV: array<V>;
@group(0) @binding(5) var<storage, read_write> sigma: array<f32>;
@group(0) @binding(6) var<storage, read> sizes: Sizes;
#endif
${sum.declarations}

@compute @workgroup_size(${lanes})
fn main(@builtin(local_invocation_index) lane: u32) {
#if ${update}
  var squares = V();${over('sizes.count', 'squares += z[i] * z[i];')}
  let lengthV = max(sqrt(workgroupSum(fold(squares), lane)), EPSILON);${over(
    'sizes.count',
    'let value = z[i] / lengthV; v[i] = value; savedV[i] = value;',
  )}
  var squaresU = 0f;${over('sizes.rows', 'let value = product[i] / lengthV; squaresU += value * value;')}
  let norm = sqrt(workgroupSum(squaresU, lane));
  let lengthU = max(norm, EPSILON);${over(
    'sizes.rows',
    'let value = product[i] / lengthV / lengthU; u[i] = value; savedU[i] = value;',
  )}
  if (lane == 0u) { sigma[0] = norm * (norm / lengthU); }
#else
${over('sizes.count', 'savedV[i] = v[i];')}
  var partial = 0f;${over('sizes.rows', 'let value = u[i]; savedU[i] = value; partial += value * product[i];')}
  let total = workgroupSum(partial, lane);
  if (lane == 0u) { sigma[0] = total; }
#endif
}
`,
  };
}

/** y = w / σ. Bindings: w, σ, y. */
function divide(size: number): Kernel {
  const count = Math.ceil(size / 4);
  return {
    key: 'spectral.divide',
    bindings: ['read', 'read', 'write'],
    workgroups: spreadWorkgroups(Math.ceil(count / (LANES * PER_LANE))),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> weight: array<vec4f>;
@group(0) @binding(1) var<storage, read> sigma: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4f>;

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let first = (group.y * groups.x + group.x) * ${LANES * PER_LANE}u + lane;
  let divisor = sigma[0];
  let end = min(first + ${LANES * PER_LANE}u, arrayLength(&weight));
  for (var i = first; i < end; i += ${LANES}u) { result[i] = weight[i] / divisor; }
}
`,
  };
}

/**
 * Normalises a weight. Inputs: w, u, v. Outputs: y, the u and v of this forward, σ, and with
 * `update` also the persistent u and v (which are inputs too: no one kernel sees both).
 */
export function spectralNormForward(
  shape: SpectralNormShape,
  options: { readonly update: boolean; readonly epsilon: number },
  profile: AdapterProfile,
): Plan {
  const { rows, blocks, inner } = shape;
  const columns = blocks * inner;
  const scale = divide(rows * columns);
  const last = finish(rows, columns, options.epsilon, options.update, profile);
  const [w, u, v] = [{ input: 0 }, { input: 1 }, { input: 2 }];
  const [y, savedU, savedV, sigma] = [0, 1, 2, 3].map((output) => ({ output }));
  if (!options.update) {
    const product = { temporary: 0 };
    return {
      temporaries: [rows],
      steps: [
        { kernel: rowProduct(shape, profile), operands: [w, v, product] },
        { kernel: last, operands: [u, v, product, savedU, savedV, sigma] },
        { kernel: scale, operands: [w, sigma, y] },
      ],
    };
  }
  const chunks = rowChunks(shape, profile);
  const [product, z, partial] = [{ temporary: 0 }, { temporary: 1 }, { temporary: 2 }];
  const transposed = transposedProduct(shape, profile);
  return {
    temporaries: chunks > 1 ? [rows, columns, columns * chunks] : [rows, columns],
    steps: [
      ...(chunks > 1
        ? [
            { kernel: transposed, operands: [w, u, partial] },
            { kernel: sumChunks(columns, chunks), operands: [partial, z] },
          ]
        : [{ kernel: transposed, operands: [w, u, z] }]),
      { kernel: rowProduct(shape, profile), operands: [w, z, product] },
      {
        kernel: last,
        operands: [z, product, { output: 4 }, { output: 5 }, savedU, savedV, sigma],
      },
      { kernel: scale, operands: [w, sigma, y] },
    ],
  };
}
