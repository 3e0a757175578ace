import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type AdapterProfile, type Kernel, type Plan, spreadWorkgroups } from './kernel.ts';
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
 * known length, which gains nothing where memory is the limit and takes seconds to compile. Shapes of
 * OIHW weights whose rows fill whole vec4s are read from the lengths of the bindings, so that all
 * layers of a network share one set of pipelines; other shapes are compiled in.
 */

export interface SpectralNormShape {
  /** Output channels, the rows of M. */
  readonly rows: number;
  /** 1 for OIHW; the input channels for IOHW. */
  readonly blocks: number;
  /** Contiguous elements of a row in one block. */
  readonly inner: number;
}

/** Elements an invocation moves at once, if the rows of w are aligned to them. */
function vectorWidth(length: number): 1 | 4 {
  return length % 4 === 0 ? 4 : 1;
}

function vectorAlias(width: 1 | 4): string {
  return width === 4
    ? `alias V = vec4f;
fn fold(x: V) -> f32 { return (x.x + x.y) + (x.z + x.w); }`
    : `alias V = f32;
fn fold(x: V) -> f32 { return x; }`;
}

/** Whether the lengths of the bindings, which are multiples of four elements, tell the shape. */
function isAligned({ rows, blocks, inner }: SpectralNormShape): boolean {
  return blocks === 1 && rows % 4 === 0 && inner % 4 === 0;
}

function shapeKey(shape: SpectralNormShape): string {
  return isAligned(shape) ? 'aligned' : `${shape.rows},${shape.blocks},${shape.inner}`;
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
  const { rows, blocks, inner } = shape;
  const aligned = isAligned(shape);
  const width = vectorWidth(inner);
  const stride = inner / width;
  const columns = blocks * stride;
  const cpu = profile.kind === 'cpu';
  const lanes = cpu ? profile.subgroupSize || 8 : 64;
  const perLane = cpu ? CPU_COLUMNS : 1;
  const steps = cpu ? Math.floor(rows / 4) : GPU_ROW_CHUNK / 4;
  const chunks = rowChunks(shape, profile);
  const each = (line: (j: number) => string): string =>
    Array.from({ length: perLane }, (_, j) => line(j)).join('\n  ');
  const addRows = (names: readonly string[]): string =>
    each((j) =>
      names
        .map((c, i) => `sum${j} += weight[at${j} + row + ${i}u * stride] * factor.${c};`)
        .join(' '),
    );
  return {
    key: `spectral.transposed.${shapeKey(shape)}.${lanes}x${perLane}${cpu ? '' : '.chunks'}`,
    bindings: ['read', 'read', 'write'],
    workgroups: [Math.ceil(columns / (lanes * perLane)), chunks, 1],
    code: () => wgsl`
${vectorAlias(width)}
@group(0) @binding(0) var<storage, read> weight: array<V>;
@group(0) @binding(1) var<storage, read> u: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> result: array<V>;

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
#if ${aligned}
  let quads = arrayLength(&u);
  let columns = arrayLength(&weight) / (4u * quads);
  let stride = columns;
#else
  let quads = ${Math.floor(rows / 4)}u;
  let columns = ${columns}u;
  let stride = ${stride}u;
#endif
  ${each((j) => `let column${j} = (group.x * ${perLane}u + ${j}u) * ${lanes}u + lane;`)}
  ${each((j) => `let inside${j} = min(column${j}, columns - 1u);`)}
#if ${blocks === 1}
  ${each((j) => `let at${j} = inside${j};`)}
#else
  ${each((j) => `let at${j} = (inside${j} / stride) * ${rows * stride}u + inside${j} % stride;`)}
#endif
  ${each((j) => `var sum${j} = V();`)}
#if ${cpu}
  let first = group.y;
  let end = quads;
#else
  let first = group.y * ${steps}u;
  let end = min(first + ${steps}u, quads);
#endif
  for (var quad = first; quad < end; quad++) {
    let factor = u[quad];
    let row = quad * 4u * stride;
    ${addRows(['x', 'y', 'z', 'w'])}
  }
#if ${rows % 4 > 0}
  if (group.y == ${chunks - 1}u) {
    let factor = u[quads];
    let row = quads * 4u * stride;
    ${addRows(['x', 'y', 'z'].slice(0, rows % 4))}
  }
#endif
  ${each((j) => `if (column${j} < columns) { result[group.y * columns + column${j}] = sum${j}; }`)}
}
`,
  };
}

/** result[i] = Σ_chunk partial[chunk, i]. Bindings: partial, result. */
function sumChunks(length: number, chunks: number): Kernel {
  const width = vectorWidth(length);
  const count = length / width;
  return {
    key: `spectral.chunks.${length},${chunks}`,
    bindings: ['read', 'write'],
    workgroups: [Math.ceil(count / 64), 1, 1],
    code: () => wgsl`
${vectorAlias(width)}
@group(0) @binding(0) var<storage, read> partials: array<V>;
@group(0) @binding(1) var<storage, read_write> result: array<V>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${count}u) { return; }
  var sum = V();
  for (var chunk = 0u; chunk < ${chunks}u; chunk++) {
    sum += partials[chunk * ${count}u + id.x];
  }
  result[id.x] = sum;
}
`,
  };
}

/** product[o] = Σ_column M[o, column]·v[column], four rows a workgroup. Bindings: w, v, product. */
function rowProduct(shape: SpectralNormShape, profile: AdapterProfile): Kernel {
  const { rows, blocks, inner } = shape;
  const width = vectorWidth(inner);
  const stride = inner / width;
  const columns = blocks * stride;
  const sum = workgroupSum('vec4f', profile, 64);
  const { lanes } = sum;
  return {
    key: `spectral.product.${shapeKey(shape)}.${sum.tag}`,
    bindings: ['read', 'read', 'write'],
    workgroups: [Math.ceil(rows / 4), 1, 1],
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
${vectorAlias(width)}
@group(0) @binding(0) var<storage, read> weight: array<V>;
@group(0) @binding(1) var<storage, read> v: array<V>;
@group(0) @binding(2) var<storage, read_write> product: array<vec4f>;
${sum.declarations}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
#if ${isAligned(shape)}
  let columns = arrayLength(&v);
  let stride = columns;
  let last = arrayLength(&product) * 4u - 1u;
#else
  let columns = ${columns}u;
  let stride = ${stride}u;
  let last = ${rows - 1}u;
#endif
  // Rows past the last one repeat it; nobody looks at their products.
  let row0 = group.x * 4u * stride;
  let row1 = min(group.x * 4u + 1u, last) * stride;
  let row2 = min(group.x * 4u + 2u, last) * stride;
  let row3 = min(group.x * 4u + 3u, last) * stride;
  var sum0 = V(); var sum1 = V(); var sum2 = V(); var sum3 = V();
  for (var column = lane; column < columns; column += ${lanes}u) {
#if ${blocks === 1}
    let at = column;
#else
    let at = (column / stride) * ${rows * stride}u + column % stride;
#endif
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
  const count = columns / width;
  const sum = workgroupSum('f32', profile, 256);
  const { lanes } = sum;
  /** A loop of this workgroup over `length` elements with index `i`. */
  const over = (length: string, body: string): string => `
  for (var i = lane; i < ${length}; i += ${lanes}u) { ${body} }`;
  const aligned = rows % 4 === 0 && columns % 4 === 0;
  return {
    key: `spectral.finish.${aligned ? 'aligned' : `${rows},${columns}`}.${epsilon}.${update}.${sum.tag}`,
    bindings: update
      ? ['read', 'read', 'write', 'write', 'write', 'write', 'write']
      : ['read', 'read', 'read', 'write', 'write', 'write'],
    workgroups: [1, 1, 1],
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
${vectorAlias(width)}
const EPSILON = ${epsilon.toExponential()}f;
#if ${update}
@group(0) @binding(0) var<storage, read> z: array<V>;
@group(0) @binding(1) var<storage, read> product: array<f32>;
@group(0) @binding(2) var<storage, read_write> u: array<f32>;
@group(0) @binding(3) var<storage, read_write> v: array<V>;
@group(0) @binding(4) var<storage, read_write> savedU: array<f32>;
@group(0) @binding(5) var<storage, read_write> savedV: array<V>;
@group(0) @binding(6) var<storage, read_write> sigma: array<f32>;
#else
@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> v: array<V>;
@group(0) @binding(2) var<storage, read> product: array<f32>;
@group(0) @binding(3) var<storage, read_write> savedU: array<f32>;
@group(0) @binding(4) var<storage, read_write> savedV: array<V>;
@group(0) @binding(5) var<storage, read_write> sigma: array<f32>;
#endif
${sum.declarations}

@compute @workgroup_size(${lanes})
fn main(@builtin(local_invocation_index) lane: u32) {
#if ${!aligned}
  let rows = ${rows}u;
  let count = ${count}u;
#elif ${update}
  let rows = arrayLength(&product);
  let count = arrayLength(&z);
#else
  let rows = arrayLength(&u);
  let count = arrayLength(&v);
#endif
#if ${update}
  var squares = V();${over('count', 'squares += z[i] * z[i];')}
  let lengthV = max(sqrt(workgroupSum(fold(squares), lane)), EPSILON);${over(
    'count',
    'let value = z[i] / lengthV; v[i] = value; savedV[i] = value;',
  )}
  var squaresU = 0f;${over('rows', 'let value = product[i] / lengthV; squaresU += value * value;')}
  let norm = sqrt(workgroupSum(squaresU, lane));
  let lengthU = max(norm, EPSILON);${over(
    'rows',
    'let value = product[i] / lengthV / lengthU; u[i] = value; savedU[i] = value;',
  )}
  if (lane == 0u) { sigma[0] = norm * (norm / lengthU); }
#else
${over('count', 'savedV[i] = v[i];')}
  var partial = 0f;${over('rows', 'let value = u[i]; savedU[i] = value; partial += value * product[i];')}
  let total = workgroupSum(partial, lane);
  if (lane == 0u) { sigma[0] = total; }
#endif
}
`,
  };
}

/** Vectors of an elementwise pass that one invocation handles, so that scalars are loaded once. */
const PER_LANE = 4;
const LANES = 64;

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

/** Workgroups, at most, that share the inner product of the backward pass. */
const MAX_DOT_PARTS = 128;
/** Vectors, at least, that each of their invocations takes. */
const MIN_DOT_STEPS = 16;

/** parts[i] = a part of Σ g·y; there is a multiple of 4 of them. Bindings: g, y, parts. */
function innerProduct(size: number, profile: AdapterProfile): { kernel: Kernel; parts: number } {
  const width = vectorWidth(size);
  const count = size / width;
  const sum = workgroupSum('f32', profile, 64);
  const { lanes } = sum;
  const wanted = Math.min(Math.ceil(count / (MIN_DOT_STEPS * lanes)), MAX_DOT_PARTS);
  const parts = Math.ceil(wanted / 4) * 4;
  const kernel: Kernel = {
    key: `spectral.inner.${width === 4 ? 'aligned' : size}.${sum.tag}`,
    bindings: ['read', 'read', 'write'],
    workgroups: [parts, 1, 1],
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
${vectorAlias(width)}
@group(0) @binding(0) var<storage, read> cotangent: array<V>;
@group(0) @binding(1) var<storage, read> normalised: array<V>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;
${sum.declarations}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
#if ${width === 4}
  let count = arrayLength(&cotangent);
#else
  let count = ${count}u;
#endif
  let share = (count + groups.x - 1u) / groups.x;
  let end = min((group.x + 1u) * share, count);
  var partial = V();
  for (var i = group.x * share + lane; i < end; i += ${lanes}u) {
    partial += cotangent[i] * normalised[i];
  }
  let total = workgroupSum(fold(partial), lane);
  if (lane == 0u) { result[group.x] = total; }
}
`,
  };
  return { kernel, parts };
}

/** factors = (Σ parts, σ). Bindings: parts, σ, factors. */
function sumParts(profile: AdapterProfile): Kernel {
  const sum = workgroupSum('f32', profile, 64);
  const { lanes } = sum;
  return {
    key: `spectral.parts.${sum.tag}`,
    bindings: ['read', 'read', 'write'],
    workgroups: [1, 1, 1],
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
@group(0) @binding(0) var<storage, read> parts: array<f32>;
@group(0) @binding(1) var<storage, read> sigma: array<f32>;
@group(0) @binding(2) var<storage, read_write> factors: array<vec2f>;
${sum.declarations}

@compute @workgroup_size(${lanes})
fn main(@builtin(local_invocation_index) lane: u32) {
  var partial = 0f;
  for (var i = lane; i < arrayLength(&parts); i += ${lanes}u) { partial += parts[i]; }
  let total = workgroupSum(partial, lane);
  if (lane == 0u) { factors[0] = vec2f(total, sigma[0]); }
}
`,
  };
}

/** ∂w = (g − d·u vᵀ)/σ with factors = (d, σ), or ∂w += it. Bindings: g, u, v, factors, ∂w. */
function rankOneGradient(shape: SpectralNormShape, accumulate: boolean): Kernel {
  const { rows, blocks, inner } = shape;
  const width = vectorWidth(inner);
  const stride = inner / width;
  const count = rows * blocks * stride;
  return {
    key: `spectral.gradient.${shapeKey(shape)}.${accumulate}`,
    bindings: ['read', 'read', 'read', 'read', 'write'],
    workgroups: spreadWorkgroups(Math.ceil(count / (LANES * PER_LANE))),
    code: () => wgsl`
${vectorAlias(width)}
@group(0) @binding(0) var<storage, read> cotangent: array<V>;
@group(0) @binding(1) var<storage, read> u: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<V>;
@group(0) @binding(3) var<storage, read> factors: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> gradient: array<V>;

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let first = (group.y * groups.x + group.x) * ${LANES * PER_LANE}u + lane;
  let inner = factors[0].x;
  let sigma = factors[0].y;
#if ${isAligned(shape)}
  let count = arrayLength(&cotangent);
  let stride = arrayLength(&v);
#else
  let count = ${count}u;
  let stride = ${stride}u;
#endif
  let end = min(first + ${LANES * PER_LANE}u, count);
  for (var i = first; i < end; i += ${LANES}u) {
    let line = i / stride;
#if ${blocks === 1}
    let row = line;
    let column = i - line * stride;
#else
    let row = line % ${rows}u;
    let column = (line / ${rows}u) * stride + i % stride;
#endif
    let value = (cotangent[i] - v[column] * (inner * u[row])) / sigma;
#if ${accumulate}
    gradient[i] = gradient[i] + value;
#else
    gradient[i] = value;
#endif
  }
}
`,
  };
}

/**
 * Gradient of a normalised weight. Inputs: cotangent g, y, and the u, v, σ of its forward.
 * Output: ∂w, which is added to with `accumulate`.
 */
export function spectralNormBackward(
  shape: SpectralNormShape,
  accumulate: boolean,
  profile: AdapterProfile,
): Plan {
  const { kernel, parts } = innerProduct(shape.rows * shape.blocks * shape.inner, profile);
  const [g, y, u, v, sigma] = [0, 1, 2, 3, 4].map((input) => ({ input }));
  const [partial, factors] = [{ temporary: 0 }, { temporary: 1 }];
  return {
    temporaries: [parts, 2],
    steps: [
      { kernel, operands: [g, y, partial] },
      { kernel: sumParts(profile), operands: [partial, sigma, factors] },
      { kernel: rankOneGradient(shape, accumulate), operands: [g, u, v, factors, { output: 0 }] },
    ],
  };
}
