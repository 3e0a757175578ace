import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type AdapterProfile, floatBits, type Kernel, spreadWorkgroups } from './kernel.ts';
import { linearMain, linearWorkgroups } from './linear.ts';
import { workgroupSum } from './workgroup-sum.ts';

/*
 * Layer normalisation of tokens kept as [N,C,P], channels first: over the channels of every position,
 *
 *   y[n,c,p] = γ[c]·ŷ + β[c]   ŷ = (x - μ)/s   μ = mean_c(x)   s = sqrt(mean_c((x-μ)²) + ε)
 *   backward:  g = dy·γ   dx = (g - mean_c(g) - ŷ·mean_c(g·ŷ))/s   dγ[c] = Σ dy·ŷ   dβ[c] = Σ dy
 *   statistics: [N,P] of (μ, 1/s)
 *
 * One invocation a position: neighbouring lanes read neighbouring positions of a channel. Values are taken
 * relative to the first channel, so that a large mean does no harm, and the variance is added up from
 * differences from the mean.
 */

export interface LayerNormSpec {
  readonly batch: number;
  readonly channels: number;
  /** Positions an image, P. */
  readonly positions: number;
  readonly epsilon: number;
}

const LANES = 64;

function constantsOf({ batch, channels, positions, epsilon }: LayerNormSpec): number[] {
  return [batch, channels, positions, floatBits(1 / channels), floatBits(epsilon)];
}

const SIZES = `
struct Sizes { batch: u32, channels: u32, positions: u32, inverseChannels: f32, epsilon: f32 }`;

/** Defines `first`, the position's element of channel 0, and the loop's bounds. */
const POSITION = `
  let image = index / sizes.positions;
  let positions = sizes.positions;
  let channels = sizes.channels;
  let first = image * channels * positions + (index - image * positions);`;

/** Bindings x, γ, β, y, statistics. */
export function layerNormForward(spec: LayerNormSpec): Kernel {
  return {
    key: 'layer-norm.forward',
    bindings: ['read', 'read', 'read', 'write', 'write', 'read'],
    workgroups: linearWorkgroups(spec.batch * spec.positions),
    constants: constantsOf(spec),
    code: () => wgsl`${SIZES}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> scale: array<f32>;
@group(0) @binding(2) var<storage, read> shift: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;
@group(0) @binding(4) var<storage, read_write> statistics: array<vec2f>;
@group(0) @binding(5) var<storage, read> sizes: Sizes;

${linearMain('sizes.batch * sizes.positions')}
${POSITION}
  let reference = x[first];
  var sum = 0.0;
  for (var c = 0u; c < channels; c++) { sum += x[first + c * positions] - reference; }
  let offset = sum * sizes.inverseChannels;
  var squares = 0.0;
  for (var c = 0u; c < channels; c++) {
    let centred = (x[first + c * positions] - reference) - offset;
    squares += centred * centred;
  }
  let inverse = 1.0 / sqrt(squares * sizes.inverseChannels + sizes.epsilon);
  for (var c = 0u; c < channels; c++) {
    let at = first + c * positions;
    result[at] = ((x[at] - reference) - offset) * inverse * scale[c] + shift[c];
  }
  statistics[index] = vec2f(offset, inverse);
}
`,
  };
}

/** Bindings dy, x, γ, statistics, dx. */
export function layerNormBackward(spec: LayerNormSpec): Kernel {
  return {
    key: 'layer-norm.backward',
    bindings: ['read', 'read', 'read', 'read', 'write', 'read'],
    workgroups: linearWorkgroups(spec.batch * spec.positions),
    constants: constantsOf(spec),
    code: () => wgsl`${SIZES}
@group(0) @binding(0) var<storage, read> cotangent: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> scale: array<f32>;
@group(0) @binding(3) var<storage, read> statistics: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> result: array<f32>;
@group(0) @binding(5) var<storage, read> sizes: Sizes;

${linearMain('sizes.batch * sizes.positions')}
${POSITION}
  let reference = x[first];
  let moments = statistics[index];
  var sum = 0.0;
  var product = 0.0;
  for (var c = 0u; c < channels; c++) {
    let at = first + c * positions;
    let g = cotangent[at] * scale[c];
    sum += g;
    product += g * (((x[at] - reference) - moments.x) * moments.y);
  }
  let mean = sum * sizes.inverseChannels;
  let share = product * sizes.inverseChannels;
  for (var c = 0u; c < channels; c++) {
    let at = first + c * positions;
    let normalised = ((x[at] - reference) - moments.x) * moments.y;
    result[at] = (cotangent[at] * scale[c] - mean - normalised * share) * moments.y;
  }
}
`,
  };
}

/** dγ, overwritten, or added to if `accumulate`. Bindings dy, x, statistics, dγ. One workgroup a channel. */
export function layerNormScaleGradient(
  spec: LayerNormSpec,
  accumulate: boolean,
  profile: AdapterProfile,
): Kernel {
  const sum = workgroupSum('f32', profile, LANES);
  return {
    key: `layer-norm.scale.${accumulate}.${sum.tag}`,
    bindings: ['read', 'read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(spec.channels),
    constants: constantsOf(spec),
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
${SIZES}
@group(0) @binding(0) var<storage, read> cotangent: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> statistics: array<vec2f>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;
@group(0) @binding(4) var<storage, read> sizes: Sizes;
${sum.declarations}

@compute @workgroup_size(${sum.lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let channel = group.y * groups.x + group.x;
  if (channel >= sizes.channels) { return; }
  let positions = sizes.positions;
  let batch = sizes.batch;
  var total = 0.0;
  for (var image = 0u; image < batch; image++) {
    let origin = image * sizes.channels * positions;
    var part = 0.0;
    for (var p = lane; p < positions; p += ${sum.lanes}u) {
      let moments = statistics[image * positions + p];
      let at = origin + channel * positions + p;
      part += cotangent[at] * (((x[at] - x[origin + p]) - moments.x) * moments.y);
    }
    total += part;
  }
  let all = workgroupSum(total, lane);
#if ${accumulate}
  if (lane == 0u) { result[channel] += all; }
#else
  if (lane == 0u) { result[channel] = all; }
#endif
}
`,
  };
}
