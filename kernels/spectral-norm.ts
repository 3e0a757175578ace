import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { AdapterProfile, Kernel, Operand, Plan } from './kernel.ts';
import {
  eachLayer,
  LANES,
  layerTable,
  PER_LANE,
  padded,
  type SpectralNormLayer,
  sizesOf,
  vectorAlias,
  vectorWidth,
  weightSize,
} from './spectral-norm-layout.ts';
import {
  partialStarts,
  rowChunks,
  rowProduct,
  sumChunks,
  transposedProduct,
} from './spectral-norm-products.ts';
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
 * as constants. All layers of a network go through the same dispatches (see spectral-norm-layout.ts):
 *
 *   transposed | layer 1 | layer 2 | layer 3 | layer 4 |      workgroups of one dispatch
 */

/**
 * After an update: from z = Mᵀu and p = M z, v = n(z), u = n(M v), σ = uᵀMv; one workgroup a layer.
 * Bindings: z, p, u, v, saved u, saved v, σ.
 *
 * Without one: σ = uᵀp with p = M v; u and v are copied. Bindings: u, v, p, saved u, saved v, σ.
 */
function finish(
  layers: readonly SpectralNormLayer[],
  epsilon: number,
  update: boolean,
  profile: AdapterProfile,
): Kernel {
  const width = vectorWidth(layers[0].inner);
  const sum = workgroupSum('f32', profile, 256);
  const { lanes } = sum;
  const table = layerTable(
    layers.map((layer) => ({
      groups: 1,
      fields: {
        rows: layer.rows,
        columns: sizesOf(layer).columns,
        u: layer.uStart,
        v: layer.vStart / width,
        savedU: layer.rowStart,
        savedV: layer.columnStart / width,
        sigma: layer.index,
      },
    })),
    lanes,
  );
  /** A loop of this workgroup over `length` elements with index `i`. */
  const over = (length: string, body: string): string => `
  for (var i = lane; i < ${length}; i += ${lanes}u) { ${body} }`;
  return {
    key: `spectral.finish.${width}.${epsilon}.${update}.${sum.tag}.${table.tag}`,
    bindings: update
      ? ['read', 'read', 'write', 'write', 'write', 'write', 'write', 'read']
      : ['read', 'read', 'read', 'write', 'write', 'write', 'read'],
    workgroups: table.workgroups,
    constants: table.constants,
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
${table.declaration(7)}
#else
@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> v: array<V>;
@group(0) @binding(2) var<storage, read> product: array<f32>;
@group(0) @binding(3) var<storage, read_write> savedU: array<f32>;
@group(0) @binding(4) var<storage, read_write> savedV: array<V>;
@group(0) @binding(5) var<storage, read_write> sigma: array<f32>;
${table.declaration(6)}
#endif
${sum.declarations}

${table.main}
#if ${update}
  var squares = V();${over('layer.columns', 'let value = z[layer.savedV + i]; squares += value * value;')}
  let lengthV = max(sqrt(workgroupSum(fold(squares), lane)), EPSILON);${over(
    'layer.columns',
    'let value = z[layer.savedV + i] / lengthV; v[layer.v + i] = value; savedV[layer.savedV + i] = value;',
  )}
  var squaresU = 0f;${over(
    'layer.rows',
    'let value = product[layer.savedU + i] / lengthV; squaresU += value * value;',
  )}
  let norm = sqrt(workgroupSum(squaresU, lane));
  let lengthU = max(norm, EPSILON);${over(
    'layer.rows',
    `let value = product[layer.savedU + i] / lengthV / lengthU;
    u[layer.u + i] = value; savedU[layer.savedU + i] = value;`,
  )}
  if (lane == 0u) { sigma[layer.sigma] = norm * (norm / lengthU); }
#else
${over('layer.columns', 'savedV[layer.savedV + i] = v[layer.v + i];')}
  var partial = 0f;${over(
    'layer.rows',
    `let value = u[layer.u + i];
    savedU[layer.savedU + i] = value; partial += value * product[layer.savedU + i];`,
  )}
  let total = workgroupSum(partial, lane);
  if (lane == 0u) { sigma[layer.sigma] = total; }
#endif
}
`,
  };
}

/** y = w / σ. Bindings: w, σ, y of each layer. */
function divide(layers: readonly SpectralNormLayer[]): Kernel {
  const table = layerTable(
    layers.map((layer) => {
      // The last vec4 may reach into the padding of storages.
      const count = Math.ceil(weightSize(layer) / 4);
      return {
        groups: Math.ceil(count / (LANES * PER_LANE)),
        fields: { count, weight: layer.weightStart / 4, sigma: layer.index },
      };
    }),
    LANES,
  );
  const names = layers.map((_, k) => `result${k}`);
  const declarations = names.map(
    (name, k) => `@group(0) @binding(${2 + k}) var<storage, read_write> ${name}: array<vec4f>;`,
  );
  return {
    key: `spectral.divide.${table.tag}`,
    bindings: ['read', 'read', ...names.map(() => 'write' as const), 'read'],
    workgroups: table.workgroups,
    constants: table.constants,
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> weight: array<vec4f>;
@group(0) @binding(1) var<storage, read> sigma: array<f32>;
${declarations.join('\n')}
${table.declaration(2 + layers.length)}

${table.main}
  let first = local * ${LANES * PER_LANE}u + lane;
  let divisor = sigma[layer.sigma];
  let end = min(first + ${LANES * PER_LANE}u, layer.count);
  ${eachLayer(
    layers.length,
    (k) =>
      `for (var i = first; i < end; i += ${LANES}u) { ${names[k]}[i] = weight[layer.weight + i] / divisor; }`,
  )}
}
`,
  };
}

/**
 * Normalises up to MAX_SPECTRAL_LAYERS weights of one `layoutKey`, packed by `packLayers`. Inputs: w, u and v
 * of all layers. Outputs: u and v of this forward and σ, packed; y of each layer; and with `update`
 * also the persistent u and v (which are inputs too: no one kernel sees both).
 */
export function spectralNormForward(
  layers: readonly SpectralNormLayer[],
  options: { readonly update: boolean; readonly epsilon: number },
  profile: AdapterProfile,
): Plan {
  const { update, epsilon } = options;
  const rows = Math.max(...layers.map((layer) => layer.rowStart + padded(layer.rows)));
  const columns = Math.max(
    ...layers.map(({ columnStart, blocks, inner }) => columnStart + padded(blocks * inner)),
  );
  const last = finish(layers, epsilon, update, profile);
  const [w, u, v] = [{ input: 0 }, { input: 1 }, { input: 2 }];
  const [savedU, savedV, sigma] = [0, 1, 2].map((output) => ({ output }));
  const results: Operand[] = layers.map((_, k) => ({ output: 3 + k }));
  const scale = { kernel: divide(layers), operands: [w, sigma, ...results] };
  const product = { temporary: 0 };
  if (!update) {
    return {
      temporaries: [rows],
      steps: [
        { kernel: rowProduct(layers, false, profile), operands: [w, v, product] },
        { kernel: last, operands: [u, v, product, savedU, savedV, sigma] },
        scale,
      ],
    };
  }
  const [newU, newV] = [{ output: 3 + layers.length }, { output: 4 + layers.length }];
  const [z, partial] = [{ temporary: 1 }, { temporary: 2 }];
  const transposed = transposedProduct(layers, profile);
  const split = layers.some((layer) => rowChunks(layer, profile) > 1);
  return {
    temporaries: split
      ? [rows, columns, partialStarts(layers, profile).at(-1) ?? 0]
      : [rows, columns],
    steps: [
      ...(split
        ? [
            { kernel: transposed, operands: [w, u, partial] },
            { kernel: sumChunks(layers, profile), operands: [partial, z] },
          ]
        : [{ kernel: transposed, operands: [w, u, z] }]),
      { kernel: rowProduct(layers, true, profile), operands: [w, z, product] },
      { kernel: last, operands: [z, product, newU, newV, savedU, savedV, sigma] },
      scale,
    ],
  };
}
