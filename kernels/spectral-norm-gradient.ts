import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { AdapterProfile, Kernel, Plan } from './kernel.ts';
import {
  eachLayer,
  LANES,
  layerTable,
  layoutKey,
  PER_LANE,
  type SpectralNormLayer,
  sizesOf,
  vectorAlias,
  vectorWidth,
  weightSize,
} from './spectral-norm-layout.ts';
import { workgroupSum } from './workgroup-sum.ts';

/*
 * Backward of spectral normalisation (see spectral-norm.ts for the layout):
 *
 *   ∂w = (g − ⟨g, w/σ⟩·u vᵀ)/σ
 *
 * The inner product is added up in parts of fixed size, then by one workgroup a layer, which scales u
 * by it. Several layers go through the same dispatches; only their g lie in storages of their own.
 */

/** A layer and where its gradient goes. */
export interface SpectralNormGradientLayer extends SpectralNormLayer {
  /** First element of its gradient in the storage of all: a multiple of 4. */
  readonly gradientStart: number;
  /** Whether the gradient is added to what is there. */
  readonly accumulate: boolean;
}

/** Workgroups, at most, that share the inner product of a layer. */
const MAX_DOT_PARTS = 128;
/** Vectors, at least, that each of their invocations takes. */
const MIN_DOT_STEPS = 16;

/** `var<storage, read> cotangent0 …` from binding `first` on. */
function cotangents(count: number, first: number): string {
  return Array.from(
    { length: count },
    (_, k) => `@group(0) @binding(${first + k}) var<storage, read> cotangent${k}: array<V>;`,
  ).join('\n');
}

/** Workgroups that share the inner product of each layer. */
function dotParts(layers: readonly SpectralNormLayer[], lanes: number): number[] {
  return layers.map((layer) => {
    const count = weightSize(layer) / vectorWidth(layer.inner);
    return Math.min(Math.ceil(count / (MIN_DOT_STEPS * lanes)), MAX_DOT_PARTS);
  });
}

/** parts[i] = a part of Σ g·w/σ, layer behind layer. Bindings: w, σ, parts, g of each layer. */
function innerProduct(layers: readonly SpectralNormLayer[], profile: AdapterProfile): Kernel {
  const width = vectorWidth(layers[0].inner);
  const sum = workgroupSum('f32', profile, 64);
  const { lanes } = sum;
  const parts = dotParts(layers, lanes);
  const table = layerTable(
    layers.map((layer, k) => {
      const count = weightSize(layer) / width;
      return {
        groups: parts[k],
        fields: {
          count,
          share: Math.ceil(count / parts[k]),
          weight: layer.weightStart / width,
          sigma: layer.index,
        },
      };
    }),
    lanes,
  );
  return {
    key: `spectral.inner.${width}.${sum.tag}.${table.tag}`,
    bindings: ['read', 'read', 'write', ...layers.map(() => 'read' as const), 'read'],
    workgroups: table.workgroups,
    constants: table.constants,
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
${vectorAlias(width)}
@group(0) @binding(0) var<storage, read> weight: array<V>;
@group(0) @binding(1) var<storage, read> sigma: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;
${cotangents(layers.length, 3)}
${table.declaration(3 + layers.length)}
${sum.declarations}

${table.main}
  let divisor = sigma[layer.sigma];
  let end = min((local + 1u) * layer.share, layer.count);
  var partial = V();
  ${eachLayer(
    layers.length,
    (k) => `
    for (var i = local * layer.share + lane; i < end; i += ${lanes}u) {
      partial += cotangent${k}[i] * (weight[layer.weight + i] / divisor);
    }`,
  )}
  let total = workgroupSum(fold(partial), lane);
  if (lane == 0u) { result[layer.first + local] = total; }
}
`,
  };
}

/** scaled = ⟨g, w/σ⟩·u, and behind all rows σ. Bindings: parts, u, σ, scaled. */
function scaleRows(layers: readonly SpectralNormLayer[], profile: AdapterProfile): Kernel {
  const sum = workgroupSum('f32', profile, 64);
  const { lanes } = sum;
  const counts = dotParts(layers, lanes);
  const sigmas = sigmaStart(layers);
  let start = 0;
  const table = layerTable(
    layers.map((layer, k) => {
      const parts = start;
      start += counts[k];
      return {
        groups: 1,
        fields: {
          parts,
          count: counts[k],
          rows: layer.rows,
          row: layer.rowStart,
          sigma: layer.index,
          scaledSigma: sigmas + k,
        },
      };
    }),
    lanes,
  );
  return {
    key: `spectral.parts.${sum.tag}.${table.tag}`,
    bindings: ['read', 'read', 'read', 'write', 'read'],
    workgroups: table.workgroups,
    constants: table.constants,
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
@group(0) @binding(0) var<storage, read> parts: array<f32>;
@group(0) @binding(1) var<storage, read> u: array<f32>;
@group(0) @binding(2) var<storage, read> sigma: array<f32>;
@group(0) @binding(3) var<storage, read_write> scaled: array<f32>;
${table.declaration(4)}
${sum.declarations}

${table.main}
  var partial = 0f;
  for (var i = lane; i < layer.count; i += ${lanes}u) { partial += parts[layer.parts + i]; }
  let total = workgroupSum(partial, lane);
  for (var i = lane; i < layer.rows; i += ${lanes}u) {
    scaled[layer.row + i] = total * u[layer.row + i];
  }
  if (lane == 0u) { scaled[layer.scaledSigma] = sigma[layer.sigma]; }
}
`,
  };
}

/** Where the σ of all layers begin behind their scaled rows. */
function sigmaStart(layers: readonly SpectralNormLayer[]): number {
  return Math.max(...layers.map(({ rowStart, rows }) => rowStart + rows));
}

/**
 * ∂w = (g − scaled·vᵀ)/σ with `scaled` of `scaleRows`, or ∂w += it.
 * Bindings: scaled, v, ∂w, g of each layer.
 */
function rankOneGradient(layers: readonly SpectralNormGradientLayer[]): Kernel {
  const [shape] = layers;
  const width = vectorWidth(shape.inner);
  const sigmas = sigmaStart(layers);
  const table = layerTable(
    layers.map((layer, k) => {
      const count = weightSize(layer) / width;
      const { rows, stride } = sizesOf(layer);
      return {
        groups: Math.ceil(count / (LANES * PER_LANE)),
        fields: {
          rows,
          stride,
          count,
          row: layer.rowStart,
          column: layer.columnStart / width,
          sigma: sigmas + k,
          gradient: layer.gradientStart / width,
          accumulate: layer.accumulate ? 1 : 0,
        },
      };
    }),
    LANES,
  );
  const place =
    shape.blocks === 1
      ? 'let row = line; let column = i - line * layer.stride;'
      : `let row = line % layer.rows;
      let column = (line / layer.rows) * layer.stride + i % layer.stride;`;
  return {
    key: `spectral.gradient.${layoutKey(shape)}.${table.tag}`,
    bindings: ['read', 'read', 'write', ...layers.map(() => 'read' as const), 'read'],
    workgroups: table.workgroups,
    constants: table.constants,
    code: () => wgsl`
${vectorAlias(width)}
@group(0) @binding(0) var<storage, read> scaled: array<f32>;
@group(0) @binding(1) var<storage, read> v: array<V>;
@group(0) @binding(2) var<storage, read_write> gradient: array<V>;
${cotangents(layers.length, 3)}
${table.declaration(3 + layers.length)}

${table.main}
  let first = local * ${LANES * PER_LANE}u + lane;
  let sigma = scaled[layer.sigma];
  let end = min(first + ${LANES * PER_LANE}u, layer.count);
  ${eachLayer(
    layers.length,
    (k) => `
    for (var i = first; i < end; i += ${LANES}u) {
      let line = i / layer.stride;
      ${place}
      let value = (cotangent${k}[i] - v[layer.column + column] * scaled[layer.row + row]) / sigma;
      if (layer.accumulate == 1u) {
        gradient[layer.gradient + i] = gradient[layer.gradient + i] + value;
      } else {
        gradient[layer.gradient + i] = value;
      }
    }`,
  )}
}
`,
  };
}

/**
 * Gradients of normalised weights, of some or all layers of one forward. Inputs: w, the packed u, v and σ
 * of the forward, and the cotangent g of each layer. Output: the storage of all ∂w.
 */
export function spectralNormBackward(
  layers: readonly SpectralNormGradientLayer[],
  profile: AdapterProfile,
): Plan {
  const { lanes } = workgroupSum('f32', profile, 64);
  const parts = dotParts(layers, lanes).reduce((sum, count) => sum + count);
  const [w, u, v, sigma] = [0, 1, 2, 3].map((input) => ({ input }));
  const given = layers.map((_, k) => ({ input: 4 + k }));
  const [partial, scaled] = [{ temporary: 0 }, { temporary: 1 }];
  return {
    temporaries: [parts, sigmaStart(layers) + layers.length],
    steps: [
      { kernel: innerProduct(layers, profile), operands: [w, sigma, partial, ...given] },
      { kernel: scaleRows(layers, profile), operands: [partial, u, sigma, scaled] },
      {
        kernel: rankOneGradient(layers),
        operands: [scaled, v, { output: 0 }, ...given],
      },
    ],
  };
}
