import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type AdapterProfile, floatBits, type Kernel, spreadWorkgroups } from './kernel.ts';
import { linearMain, linearWorkgroups, literal } from './linear.ts';
import { workgroupSum } from './workgroup-sum.ts';

/*
 * Batch normalisation with scale γ and shift β:
 *
 *   x: [N, C, P]   x̂ = (x - μ[c])/s[c]   y = γ[c]·x̂ + β[c]
 *   training:      μ, s² - ε are mean and biased variance over N and P, and the running statistics follow:
 *                  running ← (1-m)·running + m·(mean, variance·n/(n-1)),  n = N·P
 *   evaluation:    μ, s² - ε are the running statistics
 *   backward:      dβ = Σ dy   dγ = Σ dy·x̂
 *                  dx = γ/s·(dy - dβ/n - x̂·dγ/n) in training, γ/s·dy in evaluation
 *   statistics:    [C] of (x₀, μ - x₀, 1/s, 0)
 *
 * Sums run in one workgroup a channel, in a fixed order. The mean is taken relative to the channel's
 * first element x₀ (0 in evaluation) and the variance about the mean in a second pass, so that a large
 * mean costs nothing.
 */

export interface BatchNormSpec {
  readonly batch: number;
  readonly channels: number;
  /** H·W. */
  readonly pixels: number;
  readonly epsilon: number;
  readonly momentum: number;
}

const LANES = 128;

function sizesBinding(binding: number): string {
  return `
struct Sizes { batch: u32, channels: u32, pixels: u32, inverseCount: f32, unbiased: f32 }
@group(0) @binding(${binding}) var<storage, read> sizes: Sizes;`;
}

function sizesOf({ batch, channels, pixels }: BatchNormSpec): number[] {
  const count = batch * pixels;
  return [batch, channels, pixels, floatBits(1 / count), floatBits(count / Math.max(1, count - 1))];
}

/** Opens `main` for one workgroup a channel: defines `lane` and `channel`. */
function channelMain(lanes: number): string {
  return `@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let channel = group.y * groups.x + group.x;
  if (channel >= sizes.channels) { return; }`;
}

/** `statement` for the elements of this invocation, at `i`. */
function forEachElement(lanes: number, statement: string): string {
  return `for (var n = 0u; n < sizes.batch; n++) {
    let start = (n * sizes.channels + channel) * sizes.pixels;
    for (var p = lane; p < sizes.pixels; p += ${lanes}u) {
      let i = start + p;
      ${statement}
    }
  }`;
}

/** Statistics of a batch. Bindings x, statistics, running mean, running variance (both updated). */
export function batchNormStatistics(spec: BatchNormSpec, profile: AdapterProfile): Kernel {
  const sum = workgroupSum('f32', profile, LANES);
  return {
    key: `batch-norm.statistics.${spec.epsilon}.${spec.momentum}.${sum.tag}`,
    bindings: ['read', 'write', 'write', 'write', 'read'],
    workgroups: spreadWorkgroups(spec.channels),
    constants: sizesOf(spec),
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> statistics: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> runningMean: array<f32>;
@group(0) @binding(3) var<storage, read_write> runningVariance: array<f32>;
${sizesBinding(4)}
${sum.declarations}

${channelMain(sum.lanes)}
  let origin = x[channel * sizes.pixels];
  var partial = 0.0;
  ${forEachElement(sum.lanes, 'partial += x[i] - origin;')}
  let offset = workgroupSum(partial, lane) * sizes.inverseCount;
  partial = 0.0;
  ${forEachElement(
    sum.lanes,
    `let deviation = (x[i] - origin) - offset;
      partial += deviation * deviation;`,
  )}
  let variance = workgroupSum(partial, lane) * sizes.inverseCount;
  if (lane == 0u) {
    let mean = origin + offset;
    statistics[channel] =
      vec4f(origin, offset, 1.0 / sqrt(variance + ${literal(spec.epsilon)}), 0.0);
    let kept = ${literal(1 - spec.momentum)};
    runningMean[channel] = kept * runningMean[channel] + ${literal(spec.momentum)} * mean;
    runningVariance[channel] = kept * runningVariance[channel]
      + ${literal(spec.momentum)} * (variance * sizes.unbiased);
  }
}
`,
  };
}

/** Statistics from running ones. Bindings running mean, running variance, statistics. */
export function batchNormRunning(spec: BatchNormSpec): Kernel {
  return {
    key: `batch-norm.running.${spec.epsilon}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: linearWorkgroups(spec.channels),
    constants: sizesOf(spec),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> mean: array<f32>;
@group(0) @binding(1) var<storage, read> variance: array<f32>;
@group(0) @binding(2) var<storage, read_write> statistics: array<vec4f>;
${sizesBinding(3)}
${linearMain('sizes.channels')}
  statistics[index] =
    vec4f(0.0, mean[index], 1.0 / sqrt(variance[index] + ${literal(spec.epsilon)}), 0.0);
}
`,
  };
}

/** Bindings x, statistics, scale, shift, y. */
export function batchNormForward(spec: BatchNormSpec): Kernel {
  return {
    key: 'batch-norm.forward',
    bindings: ['read', 'read', 'read', 'read', 'write', 'read'],
    workgroups: linearWorkgroups(spec.batch * spec.channels * spec.pixels),
    constants: sizesOf(spec),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> statistics: array<vec4f>;
@group(0) @binding(2) var<storage, read> scale: array<f32>;
@group(0) @binding(3) var<storage, read> shift: array<f32>;
@group(0) @binding(4) var<storage, read_write> result: array<f32>;
${sizesBinding(5)}
${linearMain('sizes.batch * sizes.channels * sizes.pixels')}
  let channel = (index / sizes.pixels) % sizes.channels;
  let moments = statistics[channel];
  result[index] = ((x[index] - moments.x) - moments.y) * moments.z * scale[channel] + shift[channel];
}
`,
  };
}

/** Bindings dy, x, statistics, dγ, dβ. */
export function batchNormSums(spec: BatchNormSpec, profile: AdapterProfile): Kernel {
  const sum = workgroupSum('vec4f', profile, LANES);
  return {
    key: `batch-norm.sums.${sum.tag}`,
    bindings: ['read', 'read', 'read', 'write', 'write', 'read'],
    workgroups: spreadWorkgroups(spec.channels),
    constants: sizesOf(spec),
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
@group(0) @binding(0) var<storage, read> cotangent: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> statistics: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> scaleGradient: array<f32>;
@group(0) @binding(4) var<storage, read_write> shiftGradient: array<f32>;
${sizesBinding(5)}
${sum.declarations}

${channelMain(sum.lanes)}
  let moments = statistics[channel];
  var partial = vec2f(0.0);
  ${forEachElement(
    sum.lanes,
    `let dy = cotangent[i];
      partial += vec2f(dy * (((x[i] - moments.x) - moments.y) * moments.z), dy);`,
  )}
  let total = workgroupSum(vec4f(partial, 0.0, 0.0), lane);
  if (lane == 0u) {
    scaleGradient[channel] = total.x;
    shiftGradient[channel] = total.y;
  }
}
`,
  };
}

/** Bindings dy, x, statistics, scale, dγ, dβ, dx; the sums are not used in evaluation. */
export function batchNormBackward(spec: BatchNormSpec, training: boolean): Kernel {
  return {
    key: `batch-norm.backward.${training}`,
    bindings: ['read', 'read', 'read', 'read', 'read', 'read', 'write', 'read'],
    workgroups: linearWorkgroups(spec.batch * spec.channels * spec.pixels),
    constants: sizesOf(spec),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> cotangent: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> statistics: array<vec4f>;
@group(0) @binding(3) var<storage, read> scale: array<f32>;
@group(0) @binding(4) var<storage, read> scaleGradient: array<f32>;
@group(0) @binding(5) var<storage, read> shiftGradient: array<f32>;
@group(0) @binding(6) var<storage, read_write> result: array<f32>;
${sizesBinding(7)}
${linearMain('sizes.batch * sizes.channels * sizes.pixels')}
  let channel = (index / sizes.pixels) % sizes.channels;
  let moments = statistics[channel];
  var g = cotangent[index];
#if ${training}
  let normalised = ((x[index] - moments.x) - moments.y) * moments.z;
  g -= (shiftGradient[channel] + normalised * scaleGradient[channel]) * sizes.inverseCount;
#endif
  result[index] = g * (moments.z * scale[channel]);
}
`,
  };
}
