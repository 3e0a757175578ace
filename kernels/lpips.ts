import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type AdapterProfile, floatBits, type Kernel } from './kernel.ts';
import { linearMain, linearWorkgroups } from './linear.ts';
import { workgroupSum } from './workgroup-sum.ts';

/*
 * One tap of a perceptual distance (LPIPS v0.1), without ever storing normalised features:
 *
 *   r_i = √Σ_c f_i[c]²,  f̂_i = f_i / (r_i + 1e-10),  y[n,p] = Σ_c w[c] (f̂₀[c] - f̂₁[c])²
 *
 *   f₀, f₁: [N,C,P]   w: [C]   y: [N,P]   P = H·W
 *
 * An invocation owns one pixel (or a vec4 of them) and loops over channels twice: norms, then
 * differences. The gradient with respect to f₁, given s[n] = ∂L/∂y[n,·]:
 *
 *   h[c] = -2 s w[c] (f̂₀[c] - f̂₁[c])
 *   df₁[c] = h[c]/(r₁+ε) - f₁[c] · (Σ_k h[k] f₁[k]) / (r₁ (r₁+ε)²)
 *
 * where all channels are 0, r₁ = 0 and the second term is 0 (PyTorch's ReLU backward then selects 0
 * whatever it is): never NaN. The gradient with respect to f₀ is the same with the roles exchanged.
 *
 * Sizes come as constants: the taps of a trunk share their pipelines. All taps write their y behind each
 * other into one storage, so that one dispatch makes the distance of it: Σ_taps mean_p y_tap[n,p].
 */

export interface LpipsTapSpec {
  readonly batch: number;
  readonly channels: number;
  /** H·W. */
  readonly pixels: number;
}

const EPSILON = '1e-10';

/** Pixels an invocation: rows of a multiple of 4 are read as vec4s. */
function widthOf({ pixels }: LpipsTapSpec): { width: number; type: string; one: string } {
  return pixels % 4 === 0
    ? { width: 4, type: 'vec4f', one: 'vec4f(1)' }
    : { width: 1, type: 'f32', one: '1.0' };
}

/** Declares the sizes at a binding: `block` is the invocations a sample, `share` is -2/pixels. */
function sizesBinding(binding: number, more = ''): string {
  return `
struct Sizes { count: u32, block: u32, channels: u32, share: f32${more} }
@group(0) @binding(${binding}) var<storage, read> sizes: Sizes;`;
}

/** What both kernels have in common. */
function common(spec: LpipsTapSpec) {
  const { batch, channels, pixels } = spec;
  const block = pixels / widthOf(spec).width;
  return {
    workgroups: linearWorkgroups(batch * block),
    constants: [batch * block, block, channels, floatBits(-2 / pixels)],
  };
}

/** Opens `main`; norms of both features at the invocation's pixels. */
function norms(type: string): string {
  return `
${linearMain('sizes.count')}
  let block = sizes.block;
  let start = (index / block) * sizes.channels * block + index % block;
  var square0 = ${type}(0);
  var square1 = ${type}(0);
  for (var c = 0u; c < sizes.channels; c++) {
    let a = first[start + c * block];
    let b = second[start + c * block];
    square0 += a * a;
    square1 += b * b;
  }
  let norm1 = sqrt(square1);
  let inverse0 = 1.0 / (sqrt(square0) + ${EPSILON});
  let inverse1 = 1.0 / (norm1 + ${EPSILON});`;
}

/**
 * Bindings f₀, f₁, w, y.
 * @param start where y begins in its storage, a multiple of 4
 */
export function lpipsTapForward(spec: LpipsTapSpec, start = 0): Kernel {
  const { width, type } = widthOf(spec);
  const { workgroups, constants } = common(spec);
  return {
    key: `lpips.forward.${type}`,
    bindings: ['read', 'read', 'read', 'write', 'read'],
    workgroups,
    constants: [...constants, start / width],
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> first: array<${type}>;
@group(0) @binding(1) var<storage, read> second: array<${type}>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> distance: array<${type}>;
${sizesBinding(4, ', begin: u32')}
${norms(type)}
  var sum = ${type}(0);
  for (var c = 0u; c < sizes.channels; c++) {
    let at = start + c * block;
    let difference = first[at] * inverse0 - second[at] * inverse1;
    sum += weight[c] * (difference * difference);
  }
  distance[sizes.begin + index] = sum;
}
`,
  };
}

/** Where each tap's y begins in the storage of all, in elements, and where the last one ends. */
export function lpipsTapStarts(taps: readonly LpipsTapSpec[]): number[] {
  const starts = [0];
  for (const { batch, pixels } of taps) {
    starts.push((starts.at(-1) ?? 0) + Math.ceil((batch * pixels) / 4) * 4);
  }
  return starts;
}

/** Elements an invocation adds before its sum goes into another: rounding stays in the last digits. */
const BLOCK = 64;

/** distance[n] = Σ_taps mean_p y_tap[n,p], one workgroup a sample. Bindings y of all taps, distance. */
export function lpipsTotal(taps: readonly LpipsTapSpec[], profile: AdapterProfile): Kernel {
  const starts = lpipsTapStarts(taps);
  const sum = workgroupSum('f32', profile, 256);
  const { lanes } = sum;
  return {
    key: `lpips.total.${taps.length}.${sum.tag}`,
    bindings: ['read', 'write', 'read'],
    workgroups: [taps[0].batch, 1, 1],
    constants: taps.flatMap(({ pixels }, k) => [starts[k], pixels, floatBits(1 / pixels)]),
    requires: sum.requires,
    code: () => wgsl`${sum.enable}
struct Tap { start: u32, pixels: u32, factor: f32 }
@group(0) @binding(0) var<storage, read> maps: array<f32>;
@group(0) @binding(1) var<storage, read_write> distance: array<f32>;
@group(0) @binding(2) var<storage, read> taps: array<Tap, ${taps.length}>;
${sum.declarations}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var total = 0f;
  for (var k = 0u; k < ${taps.length}u; k++) {
    let tap = taps[k];
    let row = tap.start + group.x * tap.pixels;
    var mean = 0f;
    for (var first = lane; first < tap.pixels; first += ${BLOCK * lanes}u) {
      var part = 0f;
      let end = min(first + ${BLOCK * lanes}u, tap.pixels);
      for (var pixel = first; pixel < end; pixel += ${lanes}u) { part += maps[row + pixel]; }
      mean += part;
    }
    total += mean * tap.factor;
  }
  let all = workgroupSum(total, lane);
  if (lane == 0u) { distance[group.x] = all; }
}
`,
  };
}

/**
 * Gradient with respect to f₁; exchange f₀ and f₁ for the other.
 * Bindings f₀, f₁, w, g `[N]` (gradient of the mean over pixels), df₁.
 */
export function lpipsTapBackward(spec: LpipsTapSpec): Kernel {
  const { type, one } = widthOf(spec);
  return {
    key: `lpips.backward.${type}`,
    bindings: ['read', 'read', 'read', 'read', 'write', 'read'],
    ...common(spec),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> first: array<${type}>;
@group(0) @binding(1) var<storage, read> second: array<${type}>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> cotangent: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<${type}>;
${sizesBinding(5)}
${norms(type)}
  let share = cotangent[index / block] * sizes.share;
  var along = ${type}(0);
  for (var c = 0u; c < sizes.channels; c++) {
    let at = start + c * block;
    let b = second[at];
    along += weight[c] * (first[at] * inverse0 - b * inverse1) * b;
  }
  let isZero = norm1 == ${type}(0);
  let radial = select(
    along * inverse1 * inverse1 / select(norm1, ${one}, isZero), ${type}(0), isZero);
  for (var c = 0u; c < sizes.channels; c++) {
    let at = start + c * block;
    let b = second[at];
    let h = weight[c] * (first[at] * inverse0 - b * inverse1);
    gradient[at] = share * (h * inverse1 - b * radial);
  }
}
`,
  };
}
