import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type AdapterProfile, floatBits, type Kernel } from './kernel.ts';
import { linearMain, linearWorkgroups } from './linear.ts';
import { touchedChannels } from './touched-lines.ts';
import { workgroupSum } from './workgroup-sum.ts';

/*
 * One tap of a perceptual distance (LPIPS v0.1), without ever storing normalised features:
 *
 *   r_i = √Σ_c f_i[c]²,  f̂_i = f_i / (r_i + 1e-10),  y[n,p] = Σ_c w[c] (f̂₀[c] - f̂₁[c])²
 *
 *   f₀, f₁: [N,C,P]   w: [C]   y: [N,P]   P = H·W
 *
 * An invocation owns a vec4 of pixels. Where planes are no whole vec4s it owns one pixel on GPUs, and on CPU
 * drivers four that lie a quarter of the plane apart: so neighbouring lanes still read neighbouring pixels, and a
 * channel's overhead serves four. Of features that no cache holds, CPU drivers touch the cache lines first, since
 * every channel's run is a miss of its own (not so for the gradient, which would lose by it). Forward goes over the channels once: with d = f₁ - f₀ and
 * γ = 1/(r₁+ε) - 1/(r₀+ε), f̂₁ - f̂₀ = γ f₀ + d/(r₁+ε) = γ f₁ + d/(r₀+ε), and so
 *
 *   y = γ² Σ_c w f₀² + 2γ Σ_c w f₀ d / (r₁+ε) + Σ_c w d² / (r₁+ε)²   if r₁ ≥ r₀
 *     = γ² Σ_c w f₁² + 2γ Σ_c w f₁ d / (r₀+ε) + Σ_c w d² / (r₀+ε)²   else
 *
 * where no term exceeds the squares of normalised features, and all are 0 where f₀ = f₁. The gradient with respect
 * to f₁ takes a second loop over the channels; given s[n] = ∂L/∂y[n,·] it is
 *
 *   h[c] = -2 s w[c] (f̂₀[c] - f̂₁[c])
 *   df₁[c] = h[c]/(r₁+ε) - f₁[c] · (Σ_k h[k] f₁[k]) / (r₁ (r₁+ε)²)
 *
 * Its sum over k is known after the first loop already, from sums in which nothing large cancels: with
 * γ from r₁ - r₀ = Σ_c d (f₀ + f₁) / (r₀ + r₁),
 *
 *   Σ_k w (f̂₀ - f̂₁) f₁ = -γ Σ_k w f₀ f₁ - Σ_k w f₁ d / (r₁+ε)   if r₁ ≥ r₀
 *                       = -γ Σ_k w f₁² - Σ_k w f₁ d / (r₀+ε)     else
 *
 * Where all channels are 0, r₁ = 0 and the second term is 0 (PyTorch's ReLU backward then selects 0
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

/** Lanes of a CPU driver's subgroup. */
const TOGETHER = 8;

/** How the pixels of a plane are dealt out to invocations. */
interface Layout {
  readonly tag: string;
  /** Element of the arrays. */
  readonly element: 'vec4f' | 'f32';
  /** What an invocation computes with. */
  readonly type: 'vec4f' | 'f32';
  /** Invocations a sample. */
  readonly block: number;
  /** Elements a plane. */
  readonly plane: number;
}

function layoutOf({ pixels }: LpipsTapSpec, profile: AdapterProfile): Layout {
  if (pixels % 4 === 0) {
    const block = pixels / 4;
    return { tag: 'vectors', element: 'vec4f', type: 'vec4f', block, plane: block };
  }
  const quarters = { tag: 'quarters', element: 'f32', type: 'vec4f', plane: pixels } as const;
  if (profile.kind === 'cpu') return { ...quarters, block: Math.ceil(pixels / 4) };
  return { tag: 'pixels', element: 'f32', type: 'f32', block: pixels, plane: pixels };
}

/** Declares the sizes at a binding: `share` is -2/pixels, `begin` where y starts. */
function sizesBinding(binding: number): string {
  return `
struct Sizes { count: u32, block: u32, plane: u32, channels: u32, share: f32, begin: u32, touched: u32, zero: u32 }
@group(0) @binding(${binding}) var<storage, read> sizes: Sizes;`;
}

/** What both kernels have in common. */
function common(spec: LpipsTapSpec, { block, plane, element }: Layout, start = 0) {
  const { batch, channels, pixels } = spec;
  const begin = element === 'vec4f' ? start / 4 : start;
  const touched = touchedChannels(batch * channels * pixels, channels);
  return {
    workgroups: linearWorkgroups(batch * block),
    constants: [batch * block, block, plane, channels, floatBits(-2 / pixels), begin, touched, 0],
  };
}

/** Elements of `array` that an invocation has in a plane, from `at` on. */
function load(array: string, { tag }: Layout): string {
  if (tag !== 'quarters') return `${array}[at]`;
  return `vec4f(${[0, 1, 2, 3].map((k) => `${array}[at + ${k}u * block]`).join(', ')})`;
}

/** Stores the elements of `value` that an invocation has in a plane, from `at` on. */
function store(array: string, value: string, { tag }: Layout): string {
  if (tag !== 'quarters') return `${array}[at] = ${value};`;
  return `let value = ${value};
    ${['x', 'y', 'z', 'w']
      .map((k, i) => `if (${i}u * block < left) { ${array}[at + ${i}u * block] = value.${k}; }`)
      .join('\n    ')}`;
}

/**
 * Touches the cache lines of a subgroup's pixels in eight channels a load: `touched-lines.ts`.
 */
function touch({ element }: Layout): string {
  // A subgroup's run of a channel: two lines of 64 bytes, or four runs of 32 bytes a quarter apart.
  const places =
    element === 'vec4f'
      ? ['[at].x', '[at + 4u].x']
      : ['[at]', '[at + block]', '[at + 2u * block]', '[at + 3u * block]'];
  const bits = (array: string): string =>
    places.map((place) => `bitcast<u32>(${array}${place})`).join(' | ');
  return `  var bits = 0u;
  let place = lane % ${TOGETHER}u;
  for (var c = place; c < sizes.touched; c += ${TOGETHER}u) {
    let at = (sample * sizes.channels + c) * plane + pixel - min(place, pixel);
    bits |= ${bits('first')} | ${bits('second')};
  }`;
}

/**
 * Opens `main`; sums over the channels of the invocation's pixels, and the factors `inverse0` and `inverse1`
 * that normalise features.
 * @param more what is summed beside squares: names and terms in a, b, d = b - a, and w
 * @param before what `touch` makes, if anything
 */
function sums(layout: Layout, more: Readonly<Record<string, string>>, before = ''): string {
  const { type } = layout;
  const terms = Object.entries({ square0: 'a * a', square1: 'b * b', ...more });
  return `
${linearMain('sizes.count')}
  let block = sizes.block;
  let plane = sizes.plane;
  let sample = index / block;
  let pixel = index - sample * block;
  // Quarters are rounded up: what lies beyond the plane is read, from the next one, but not stored.
  let left = plane - pixel;
${before}
  let start = sample * sizes.channels * plane + pixel${before && ' + (bits & sizes.zero)'};
${terms.map(([name]) => `  var ${name} = ${type}(0);`).join('\n')}
  for (var c = 0u; c < sizes.channels; c++) {
    let at = start + c * plane;
    let a = ${load('first', layout)};
    let b = ${load('second', layout)};
    let d = b - a;
    let w = weight[c];
${terms.map(([name, term]) => `    ${name} += ${term};`).join('\n')}
  }
  let norm0 = sqrt(square0);
  let norm1 = sqrt(square1);
  let inverse0 = 1.0 / (norm0 + ${EPSILON});
  let inverse1 = 1.0 / (norm1 + ${EPSILON});`;
}

/**
 * Bindings f₀, f₁, w, y.
 * @param start where y begins in its storage, a multiple of 4
 */
export function lpipsTapForward(spec: LpipsTapSpec, profile: AdapterProfile, start = 0): Kernel {
  const layout = layoutOf(spec, profile);
  const { tag, element, type } = layout;
  const isTouching = profile.kind === 'cpu';
  return {
    key: `lpips.forward.${tag}${isTouching ? '.touched' : ''}`,
    bindings: ['read', 'read', 'read', 'write', 'read'],
    ...common(spec, layout, start),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> first: array<${element}>;
@group(0) @binding(1) var<storage, read> second: array<${element}>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> distance: array<${element}>;
${sizesBinding(4)}
${sums(
  layout,
  { aa: 'w * a * a', bb: 'w * b * b', ad: 'w * a * d', bd: 'w * b * d' },
  isTouching ? touch(layout) : '',
)}
  let isGrown = norm1 >= norm0;
  let inverse = select(inverse0, inverse1, isGrown);
  let gap = inverse1 - inverse0;
  let sum = inverse * inverse * (bd - ad) + 2.0 * inverse * gap * select(bd, ad, isGrown)
    + gap * gap * select(bb, aa, isGrown);
  let at = sizes.begin + sample * plane + pixel;
  // Rounding may end just below 0, but NaN must stay.
  ${store('distance', `select(sum, ${type}(0), sum < ${type}(0))`, layout)}
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
export function lpipsTapBackward(spec: LpipsTapSpec, profile: AdapterProfile): Kernel {
  const layout = layoutOf(spec, profile);
  const { tag, element, type } = layout;
  return {
    key: `lpips.backward.${tag}`,
    bindings: ['read', 'read', 'read', 'read', 'write', 'read'],
    ...common(spec, layout),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> first: array<${element}>;
@group(0) @binding(1) var<storage, read> second: array<${element}>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> cotangent: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<${element}>;
${sizesBinding(5)}
${sums(layout, { growth: 'd * (a + b)', bb: 'w * b * b', ab: 'w * a * b', bd: 'w * b * d' })}
  let norms = norm0 + norm1;
  let gap = select(-growth / norms, ${type}(0), norms == ${type}(0)) * inverse0 * inverse1;
  let share = cotangent[sample] * sizes.share;
  let along = select(-gap * bb - inverse0 * bd, -gap * ab - inverse1 * bd, norm1 >= norm0);
  let isZero = norm1 == ${type}(0);
  let radial = select(
    along * inverse1 * inverse1 / select(norm1, ${type}(1), isZero), ${type}(0), isZero);
  for (var c = 0u; c < sizes.channels; c++) {
    let at = start + c * plane;
    let b = ${load('second', layout)};
    let h = weight[c] * (${load('first', layout)} * inverse0 - b * inverse1);
    ${store('gradient', 'share * (h * inverse1 - b * radial)', layout)}
  }
}
`,
  };
}
