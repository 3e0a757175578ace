import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import {
  type Activation,
  activationForward,
  activationGradient,
  activationKey,
} from './activation.ts';
import { type AdapterProfile, floatBits, type Kernel, spreadWorkgroups } from './kernel.ts';
import { literal } from './linear.ts';
import { type WorkgroupSum, workgroupSum } from './workgroup-sum.ts';

/*
 * Instance normalisation without scale and shift, with an activation behind it:
 *
 *   x: [planes, pixels]   ŷ = (x - μ)/s   y = f(ŷ)   μ = mean(x)   s = sqrt(mean((x-μ)²) + ε)
 *   backward:  g = dy·f'(ŷ)   dx = (g - mean(g) - ŷ·mean(g·ŷ))/s
 *   statistics: [planes] of (μ - x₀, 1/s)
 *
 * One workgroup a plane, or on CPU drivers, where a workgroup costs as much as moving half a KiB, a few planes
 * one after the other; small planes get one invocation each, so that no lane idles. Both directions
 * go over the plane twice, in vec4s (put together from scalars where planes are not aligned): once
 * for the two sums, once to write.
 *
 * Numerics: values are taken relative to the plane's first element x₀, which removes a large mean
 * before anything is rounded, and each invocation runs Welford's update on four interleaved streams,
 * so that an x₀ far from the rest does no harm either. The streams are merged exactly as Chan, Golub
 * & LeVeque do: first the mean of all, then each stream's spread about it.
 */

export interface InstanceNormSpec {
  /** N·C. */
  readonly planes: number;
  /** H·W. */
  readonly pixels: number;
  readonly epsilon: number;
  readonly activation: Activation;
}

/** Planes up to this size are done by single invocations. */
const SMALL_PLANE = 64;
/** Pixels and planes that a workgroup of a CPU driver takes. */
const PIXELS_A_GROUP = 4096;
const MOST_PLANES = 8;

/** Whether the normalised value can be found from the output; if not, the backward pass reads x. */
export function isOutputSaved(activation: Activation): boolean {
  return activation.kind === 'none' || activation.kind === 'leaky_relu';
}

interface Layout {
  readonly sum: WorkgroupSum;
  /** Planes a workgroup: one after the other, or one an invocation. */
  readonly planesPerGroup: number;
  /** Pixels behind a plane's last whole vec4. */
  readonly tail: number;
  /** Words for `Sizes`. */
  readonly constants: readonly number[];
}

const ALONE: WorkgroupSum = {
  lanes: 1,
  tag: 'single',
  enable: '',
  declarations: 'fn workgroupSum(value: vec4f, lane: u32) -> vec4f { return value; }',
};

function layoutOf({ planes, pixels }: InstanceNormSpec, profile: AdapterProfile): Layout {
  const small = pixels <= SMALL_PLANE;
  return {
    sum: small ? ALONE : workgroupSum('vec4f', profile, pixels <= 4096 ? 64 : 256),
    planesPerGroup: small ? 32 : planesInTurn(pixels, profile),
    tail: pixels % 4,
    constants: [planes, pixels, Math.floor(pixels / 4), floatBits(1 / pixels)],
  };
}

function planesInTurn(pixels: number, { kind }: AdapterProfile): number {
  if (kind !== 'cpu') return 1;
  // Powers of two, so that few pipelines serve all sizes.
  const planes = 2 ** Math.floor(Math.log2(PIXELS_A_GROUP / pixels));
  return Math.max(1, Math.min(MOST_PLANES, planes));
}

/** Pipelines serve all sizes of one alignment. */
function keyOf(name: string, { epsilon, activation }: InstanceNormSpec, layout: Layout): string {
  return `instance-norm.${name}.tail${layout.tail}.${epsilon}.${activationKey(activation)}.${layout.sum.tag}x${layout.planesPerGroup}`;
}

function workgroups({ planes }: InstanceNormSpec, { planesPerGroup }: Layout) {
  return spreadWorkgroups(Math.ceil(planes / planesPerGroup));
}

/** Reads and writes of the four pixels from `first` on; the last ones of a plane may be its tail. */
function accessors(name: string, array: string, aligned: boolean): string {
  const elements = [0, 1, 2, 3].map((k) => `${array}[first + ${k}u]`).join(', ');
  return `fn ${name}(first: u32) -> vec4f { return ${aligned ? `${array}[first / 4u]` : `vec4f(${elements})`}; }`;
}

function storer(aligned: boolean): string {
  const elements = [0, 1, 2, 3].map((k) => `result[first + ${k}u] = value[${k}];`).join(' ');
  return `fn store(first: u32, value: vec4f) { ${aligned ? 'result[first / 4u] = value;' : elements} }`;
}

/** Declares the sizes at a binding. */
function sizesBinding(binding: number): string {
  return `
struct Sizes { planes: u32, pixels: u32, vectors: u32, inversePixels: f32 }
@group(0) @binding(${binding}) var<storage, read> sizes: Sizes;`;
}

/**
 * Opens `main` and its loop over planes: `plane`, `lane`, `base` (the plane's first element), `tail` (its first
 * after the vec4s), and `rounds`, the vec4s of this invocation. `END` closes both.
 */
function main({ sum, planesPerGroup }: Layout): string {
  const alone = sum.lanes === 1;
  return `@compute @workgroup_size(${alone ? planesPerGroup : sum.lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) invocation: u32) {
  let lane = ${alone ? '0u' : 'invocation'};
  let firstPlane = (group.y * groups.x + group.x) * ${planesPerGroup}u${alone ? ' + invocation' : ''};
  let endPlane = min(firstPlane + ${alone ? 1 : planesPerGroup}u, sizes.planes);
  for (var plane = firstPlane; plane < endPlane; plane++) {
  let base = plane * sizes.pixels;
  let tail = base + sizes.vectors * 4u;
  let rounds = (sizes.vectors + ${sum.lanes - 1}u - lane) / ${sum.lanes}u;`;
}

const END = '  }\n}';

/** `statement` for each vec4 of this invocation, with `first` its first element. */
function forEachVector({ sum }: Layout, statement: string): string {
  return `for (var round = 0u; round < rounds; round++) {
    let first = base + (round * ${sum.lanes}u + lane) * 4u;
    ${statement}
  }`;
}

/** Stores the first `tail` components of the vec4 expression `value`. */
function storeTail({ tail }: Layout, value: string): string {
  return `{ let value = ${value};
${Array.from({ length: tail }, (_, k) => `    result[tail + ${k}u] = value[${k}];`).join('\n')}
  }`;
}

/** Bindings x, y, statistics (2 floats a plane). */
export function instanceNormForward(spec: InstanceNormSpec, profile: AdapterProfile): Kernel {
  const layout = layoutOf(spec, profile);
  const { sum, tail } = layout;
  const aligned = tail === 0;
  const type = aligned ? 'vec4f' : 'f32';
  const inTail = `vec4<bool>(${[0, 1, 2, 3].map((k) => k < tail)})`;
  return {
    key: keyOf('forward', spec, layout),
    bindings: ['read', 'write', 'write', 'read'],
    workgroups: workgroups(spec, layout),
    constants: layout.constants,
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
@group(0) @binding(0) var<storage, read> x: array<${type}>;
@group(0) @binding(1) var<storage, read_write> result: array<${type}>;
@group(0) @binding(2) var<storage, read_write> statistics: array<vec2f>;
${sizesBinding(3)}
${sum.declarations}
${accessors('load', 'x', aligned)}
${storer(aligned)}
fn activate(value: vec4f) -> vec4f { return ${activationForward(spec.activation, 'value')}; }
fn total(value: f32, lane: u32) -> f32 { return workgroupSum(vec4f(value, 0.0, 0.0, 0.0), lane).x; }

${main(layout)}
  let origin = x[base${aligned ? ' / 4u' : ''}]${aligned ? '.x' : ''};
  var streamMean = vec4f(0.0);
  var streamSpread = vec4f(0.0);
  ${forEachVector(
    layout,
    `let value = load(first) - origin;
      let change = value - streamMean;
      streamMean += change * (1.0 / f32(round + 1u));
      streamSpread += change * (value - streamMean);`,
  )}
  let length = f32(rounds);
  var partial = length * dot(streamMean, vec4f(1.0));
#if ${tail > 0}
  var rest = vec4f(0.0);
  if (lane == 0u) {
    rest = select(vec4f(0.0), load(tail) - origin, ${inTail});
    partial += dot(rest, vec4f(1.0));
  }
#endif
  let mean = total(partial, lane) * sizes.inversePixels;
  let apart = streamMean - mean;
  partial = dot(streamSpread, vec4f(1.0)) + length * dot(apart, apart);
#if ${tail > 0}
  if (lane == 0u) {
    let deviation = select(vec4f(0.0), rest - mean, ${inTail});
    partial += dot(deviation, deviation);
  }
#endif
  let variance = total(partial, lane) * sizes.inversePixels;
  let inverse = 1.0 / sqrt(variance + ${literal(spec.epsilon)});
  if (lane == 0u) { statistics[plane] = vec2f(mean, inverse); }
  ${forEachVector(layout, 'store(first, activate(((load(first) - origin) - mean) * inverse));')}
#if ${tail > 0}
  if (lane == 0u) ${storeTail(layout, 'activate((rest - mean) * inverse)')}
#endif
${END}
`,
  };
}

/** Bindings dy, saved (the output where `isOutputSaved`, else x), statistics, dx. */
export function instanceNormBackward(spec: InstanceNormSpec, profile: AdapterProfile): Kernel {
  const layout = layoutOf(spec, profile);
  const { sum, tail } = layout;
  const aligned = tail === 0;
  const { activation } = spec;
  const type = aligned ? 'vec4f' : 'f32';
  const fromOutput = isOutputSaved(activation);
  const inTail = `vec4<bool>(${[0, 1, 2, 3].map((k) => k < tail)})`;
  let normalised = '((saved - origin) - moments.x) * moments.y';
  if (fromOutput) {
    normalised =
      activation.kind === 'leaky_relu'
        ? `select(saved * ${literal(1 / activation.slope)}, saved, saved > vec4f(0.0))`
        : 'saved';
  }
  return {
    key: keyOf('backward', spec, layout),
    bindings: ['read', 'read', 'read', 'write', 'read'],
    workgroups: workgroups(spec, layout),
    constants: layout.constants,
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
@group(0) @binding(0) var<storage, read> cotangent: array<${type}>;
@group(0) @binding(1) var<storage, read> kept: array<${type}>;
@group(0) @binding(2) var<storage, read> statistics: array<vec2f>;
@group(0) @binding(3) var<storage, read_write> result: array<${type}>;
${sizesBinding(4)}
${sum.declarations}
${accessors('loadCotangent', 'cotangent', aligned)}
${accessors('loadKept', 'kept', aligned)}
${storer(aligned)}
struct Pair { g: vec4f, normalised: vec4f }

/** The cotangent before the activation, and the normalised value. */
fn load(first: u32, origin: f32, moments: vec2f) -> Pair {
  let dy = loadCotangent(first);
  let saved = loadKept(first);
  let normalised = ${normalised};
#if ${fromOutput}
  let y = saved;
#else
  let y = ${activationForward(activation, 'normalised')};
#endif
  return Pair(${activationGradient(activation, 'dy', 'y')}, normalised);
}

${main(layout)}
#if ${fromOutput}
  let origin = 0.0;
#else
  let origin = kept[base${aligned ? ' / 4u' : ''}]${aligned ? '.x' : ''};
#endif
  let moments = statistics[plane];
  var sumG = vec4f(0.0);
  var sumProduct = vec4f(0.0);
  ${forEachVector(
    layout,
    `let pair = load(first, origin, moments);
      sumG += pair.g;
      sumProduct += pair.g * pair.normalised;`,
  )}
#if ${tail > 0}
  var rest = Pair(vec4f(0.0), vec4f(0.0));
  if (lane == 0u) {
    rest = load(tail, origin, moments);
    sumG += select(vec4f(0.0), rest.g, ${inTail});
    sumProduct += select(vec4f(0.0), rest.g * rest.normalised, ${inTail});
  }
#endif
  let sums = workgroupSum(vec4f(dot(sumG, vec4f(1.0)), dot(sumProduct, vec4f(1.0)), 0.0, 0.0), lane);
  let means = sums.xy * sizes.inversePixels;
  ${forEachVector(
    layout,
    `let pair = load(first, origin, moments);
      store(first, (pair.g - means.x - pair.normalised * means.y) * moments.y);`,
  )}
#if ${tail > 0}
  if (lane == 0u) ${storeTail(layout, '(rest.g - means.x - rest.normalised * means.y) * moments.y')}
#endif
${END}
`,
  };
}
