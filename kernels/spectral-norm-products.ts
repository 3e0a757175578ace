import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { AdapterProfile, Kernel } from './kernel.ts';
import {
  layerTable,
  layoutKey,
  padded,
  type SpectralNormLayer,
  type SpectralNormShape,
  sizesOf,
  vectorAlias,
  vectorWidth,
} from './spectral-norm-layout.ts';
import { workgroupSum } from './workgroup-sum.ts';

/* Mᵀu and M v of spectral normalisation; how and why is told in spectral-norm.ts. */

/** Where column `column` of the first row lies in w: WGSL expression. */
function columnAddress({ blocks }: SpectralNormShape, column: string): string {
  return blocks === 1
    ? column
    : `(${column} / layer.stride) * layer.rows * layer.stride + ${column} % layer.stride`;
}

/** Rows that one workgroup of the transposed product takes on a GPU. */
const GPU_ROW_CHUNK = 32;
/** Vectors of neighbouring columns an invocation keeps in registers on a CPU adapter. */
const CPU_COLUMNS = 2;

/** Number of partial sums that the transposed product leaves per column. */
export function rowChunks(shape: SpectralNormShape, profile: AdapterProfile): number {
  return profile.kind === 'cpu' ? 1 : Math.ceil(shape.rows / GPU_ROW_CHUNK);
}

/** Where each layer's partial sums begin, in elements, and behind the last. */
export function partialStarts(
  layers: readonly SpectralNormLayer[],
  profile: AdapterProfile,
): number[] {
  const starts = [0];
  for (const layer of layers) {
    const { blocks, inner } = layer;
    starts.push((starts.at(-1) ?? 0) + padded(blocks * inner) * rowChunks(layer, profile));
  }
  return starts;
}

/**
 * partial[chunk, column] = Σ_{o in chunk} M[o, column]·u[o]; with one chunk a layer, all of Mᵀu.
 * Bindings: w, u, partial.
 */
export function transposedProduct(
  layers: readonly SpectralNormLayer[],
  profile: AdapterProfile,
): Kernel {
  const [shape] = layers;
  const cpu = profile.kind === 'cpu';
  const lanes = cpu ? profile.subgroupSize || 8 : 64;
  const perLane = cpu ? CPU_COLUMNS : 1;
  const width = vectorWidth(shape.inner);
  const starts = partialStarts(layers, profile);
  const table = layerTable(
    layers.map((layer, index) => {
      const sizes = sizesOf(layer);
      const across = Math.ceil(sizes.columns / (lanes * perLane));
      return {
        groups: across * rowChunks(layer, profile),
        fields: {
          ...sizes,
          across,
          // Quads of rows a chunk.
          quads: cpu ? Math.ceil(layer.rows / 4) : GPU_ROW_CHUNK / 4,
          weight: layer.weightStart / width,
          u: layer.uStart / 4,
          result: starts[index] / width,
        },
      };
    }),
    lanes,
  );
  const each = (line: (j: number) => string): string =>
    Array.from({ length: perLane }, (_, j) => line(j)).join('\n  ');
  return {
    key: `spectral.transposed.${layoutKey(shape)}.${lanes}x${perLane}.${table.tag}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: table.workgroups,
    constants: table.constants,
    code: () => wgsl`
${vectorAlias(width)}
@group(0) @binding(0) var<storage, read> weight: array<V>;
@group(0) @binding(1) var<storage, read> u: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> result: array<V>;
${table.declaration(3)}

${table.main}
  let chunk = local / layer.across;
  let block = local % layer.across;
  ${each((j) => `let column${j} = (block * ${perLane}u + ${j}u) * ${lanes}u + lane;`)}
  ${each((j) => `let inside${j} = min(column${j}, layer.columns - 1u);`)}
  ${each((j) => `let at${j} = layer.weight + ${columnAddress(shape, `inside${j}`)};`)}
  ${each((j) => `var sum${j} = V();`)}
  let whole = layer.rows / 4u;
  let end = min((chunk + 1u) * layer.quads, whole);
  for (var quad = chunk * layer.quads; quad < end; quad++) {
    let factor = u[layer.u + quad];
    let row = quad * 4u * layer.stride;
    ${[0, 1, 2, 3]
      .map((i) =>
        each((j) => `sum${j} += weight[at${j} + row + ${i}u * layer.stride] * factor[${i}];`),
      )
      .join('\n    ')}
  }
  // One to three rows are left to the last chunk.
  let left = select(0u, layer.rows % 4u, chunk == whole / layer.quads);
  for (var k = 0u; k < left; k++) {
    let factor = u[layer.u + whole][k];
    let row = (whole * 4u + k) * layer.stride;
    ${each((j) => `sum${j} += weight[at${j} + row] * factor;`)}
  }
  let start = layer.result + chunk * layer.columns;
  ${each((j) => `if (column${j} < layer.columns) { result[start + column${j}] = sum${j}; }`)}
}
`,
  };
}

/** z[column] = Σ_chunk partial[chunk, column]. Bindings: partial, z. */
export function sumChunks(layers: readonly SpectralNormLayer[], profile: AdapterProfile): Kernel {
  const width = vectorWidth(layers[0].inner);
  const starts = partialStarts(layers, profile);
  const table = layerTable(
    layers.map((layer, index) => {
      const { columns } = sizesOf(layer);
      return {
        groups: Math.ceil(columns / 64),
        fields: {
          columns,
          chunks: rowChunks(layer, profile),
          partial: starts[index] / width,
          result: layer.columnStart / width,
        },
      };
    }),
    64,
  );
  return {
    key: `spectral.chunks.${width}.${table.tag}`,
    bindings: ['read', 'write', 'read'],
    workgroups: table.workgroups,
    constants: table.constants,
    code: () => wgsl`
${vectorAlias(width)}
@group(0) @binding(0) var<storage, read> partials: array<V>;
@group(0) @binding(1) var<storage, read_write> result: array<V>;
${table.declaration(2)}

${table.main}
  let column = local * 64u + lane;
  if (column >= layer.columns) { return; }
  var sum = V();
  for (var chunk = 0u; chunk < layer.chunks; chunk++) {
    sum += partials[layer.partial + chunk * layer.columns + column];
  }
  result[layer.result + column] = sum;
}
`,
  };
}

/**
 * product[o] = Σ_column M[o, column]·v[column], four rows a workgroup. Bindings: w, v, product.
 * @param packed whether v is the z of all layers, or their persistent v
 */
export function rowProduct(
  layers: readonly SpectralNormLayer[],
  packed: boolean,
  profile: AdapterProfile,
): Kernel {
  const [shape] = layers;
  const width = vectorWidth(shape.inner);
  const sum = workgroupSum('vec4f', profile, 64);
  const { lanes } = sum;
  const table = layerTable(
    layers.map((layer) => ({
      groups: Math.ceil(layer.rows / 4),
      fields: {
        ...sizesOf(layer),
        weight: layer.weightStart / width,
        v: (packed ? layer.columnStart : layer.vStart) / width,
        product: layer.rowStart / 4,
      },
    })),
    lanes,
  );
  return {
    key: `spectral.product.${layoutKey(shape)}.${sum.tag}.${table.tag}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: table.workgroups,
    constants: table.constants,
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
${vectorAlias(width)}
@group(0) @binding(0) var<storage, read> weight: array<V>;
@group(0) @binding(1) var<storage, read> v: array<V>;
@group(0) @binding(2) var<storage, read_write> product: array<vec4f>;
${table.declaration(3)}
${sum.declarations}

${table.main}
  // Rows past the last one repeat it; nobody looks at their products.
  let last = layer.rows - 1u;
  let row0 = layer.weight + local * 4u * layer.stride;
  let row1 = layer.weight + min(local * 4u + 1u, last) * layer.stride;
  let row2 = layer.weight + min(local * 4u + 2u, last) * layer.stride;
  let row3 = layer.weight + min(local * 4u + 3u, last) * layer.stride;
  var sum0 = V(); var sum1 = V(); var sum2 = V(); var sum3 = V();
  for (var column = lane; column < layer.columns; column += ${lanes}u) {
    let at = ${columnAddress(shape, 'column')};
    let factor = v[layer.v + column];
    sum0 += weight[at + row0] * factor;
    sum1 += weight[at + row1] * factor;
    sum2 += weight[at + row2] * factor;
    sum3 += weight[at + row3] * factor;
  }
  let total = workgroupSum(vec4f(fold(sum0), fold(sum1), fold(sum2), fold(sum3)), lane);
  if (lane == 0u) { product[layer.product + local] = total; }
}
`,
  };
}
