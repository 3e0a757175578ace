import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type AdapterProfile, type Kernel, type Plan, spreadWorkgroups } from './kernel.ts';
import {
  LANES,
  layoutKey,
  PER_LANE,
  type SpectralNormShape,
  sizesOf,
  vectorAlias,
  vectorWidth,
} from './spectral-norm-layout.ts';
import { workgroupSum } from './workgroup-sum.ts';

/*
 * Backward of spectral normalisation (see spectral-norm.ts for the layout):
 *
 *   ∂w = (g − ⟨g, y⟩·u vᵀ)/σ
 *
 * The inner product is added up in parts of fixed size, then by one workgroup.
 */

/** Workgroups, at most, that share the inner product of the backward pass. */
const MAX_DOT_PARTS = 128;
/** Vectors, at least, that each of their invocations takes. */
const MIN_DOT_STEPS = 16;

/** parts[i] = a part of Σ g·y. Bindings: g, y, parts. */
function innerProduct(size: number, profile: AdapterProfile): { kernel: Kernel; parts: number } {
  const width = vectorWidth(size);
  const count = size / width;
  const sum = workgroupSum('f32', profile, 64);
  const { lanes } = sum;
  const parts = Math.min(Math.ceil(count / (MIN_DOT_STEPS * lanes)), MAX_DOT_PARTS);
  const kernel: Kernel = {
    key: `spectral.inner.${width}.${sum.tag}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: [parts, 1, 1],
    constants: [count, Math.ceil(count / parts)],
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
${vectorAlias(width)}
struct Sizes { count: u32, share: u32 }
@group(0) @binding(0) var<storage, read> cotangent: array<V>;
@group(0) @binding(1) var<storage, read> normalised: array<V>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${sum.declarations}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let end = min((group.x + 1u) * sizes.share, sizes.count);
  var partial = V();
  for (var i = group.x * sizes.share + lane; i < end; i += ${lanes}u) {
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
function sumParts(parts: number, profile: AdapterProfile): Kernel {
  const sum = workgroupSum('f32', profile, 64);
  const { lanes } = sum;
  return {
    key: `spectral.parts.${sum.tag}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: [1, 1, 1],
    constants: [parts],
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
@group(0) @binding(0) var<storage, read> parts: array<f32>;
@group(0) @binding(1) var<storage, read> sigma: array<f32>;
@group(0) @binding(2) var<storage, read_write> factors: array<vec2f>;
@group(0) @binding(3) var<storage, read> count: u32;
${sum.declarations}

@compute @workgroup_size(${lanes})
fn main(@builtin(local_invocation_index) lane: u32) {
  var partial = 0f;
  for (var i = lane; i < count; i += ${lanes}u) { partial += parts[i]; }
  let total = workgroupSum(partial, lane);
  if (lane == 0u) { factors[0] = vec2f(total, sigma[0]); }
}
`,
  };
}

/** ∂w = (g − d·u vᵀ)/σ with factors = (d, σ), or ∂w += it. Bindings: g, u, v, factors, ∂w. */
function rankOneGradient(shape: SpectralNormShape, accumulate: boolean): Kernel {
  const width = vectorWidth(shape.inner);
  const count = (shape.rows * shape.blocks * shape.inner) / width;
  return {
    key: `spectral.gradient.${layoutKey(shape)}.${accumulate}`,
    bindings: ['read', 'read', 'read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(Math.ceil(count / (LANES * PER_LANE))),
    constants: [...sizesOf(shape), count],
    code: () => wgsl`
${vectorAlias(width)}
struct Sizes { rows: u32, columns: u32, stride: u32, count: u32 }
@group(0) @binding(0) var<storage, read> cotangent: array<V>;
@group(0) @binding(1) var<storage, read> u: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<V>;
@group(0) @binding(3) var<storage, read> factors: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> gradient: array<V>;
@group(0) @binding(5) var<storage, read> sizes: Sizes;

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let first = (group.y * groups.x + group.x) * ${LANES * PER_LANE}u + lane;
  let inner = factors[0].x;
  let sigma = factors[0].y;
  let end = min(first + ${LANES * PER_LANE}u, sizes.count);
  for (var i = first; i < end; i += ${LANES}u) {
    let line = i / sizes.stride;
#if ${shape.blocks === 1}
    let row = line;
    let column = i - line * sizes.stride;
#else
    let row = line % sizes.rows;
    let column = (line / sizes.rows) * sizes.stride + i % sizes.stride;
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
      { kernel: sumParts(parts, profile), operands: [partial, sigma, factors] },
      { kernel: rankOneGradient(shape, accumulate), operands: [g, u, v, factors, { output: 0 }] },
    ],
  };
}
