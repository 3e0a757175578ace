import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from './kernel.ts';
import { linearMain, linearWorkgroups, literal } from './linear.ts';

/*
 * Correlation with a window along one axis, and its adjoint:
 *
 *   x: [outer, length, inner]   y: [outer, positions, inner]
 *   y[o,i,k] = Σ_t w[t]·x[o, source(i + t - r), k]
 *
 * `valid`: r = 0, windows never leave the image, positions = length - taps + 1. Otherwise
 * r = (taps - 1)/2 and positions = length: `reflect` mirrors about the border sample without
 * repeating it, `zero` sees zeros.
 *
 * The adjoint gathers: dx[j] adds, for every place q that shows sample j (q = j and, near a
 * mirror, -j and 2(length-1)-j), Σ_t w[t]·dy[q + r - t].
 */

export type WindowBorder = 'valid' | 'reflect' | 'zero';

export interface WindowPass {
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
  /** Window along the axis; an odd number unless the border is `valid`. */
  readonly taps: readonly number[];
  readonly border: WindowBorder;
}

/** Places of the window along the axis. */
export function windowPositions({ length, taps, border }: WindowPass): number {
  return border === 'valid' ? length - taps.length + 1 : length;
}

function radius({ taps, border }: WindowPass): number {
  return border === 'valid' ? 0 : (taps.length - 1) / 2;
}

/** Pipelines serve all sizes. */
function keyOf(name: string, { taps, border }: WindowPass): string {
  return `window.${name}.${border}.${taps.join()}`;
}

/** Declares the sizes at binding 2. */
const SIZES = `
struct Sizes { outer: u32, length: u32, inner: u32, positions: u32 }
@group(0) @binding(2) var<storage, read> sizes: Sizes;`;

function constantsOf(pass: WindowPass): number[] {
  return [pass.outer, pass.length, pass.inner, windowPositions(pass)];
}

/** Bindings x, y. */
export function windowForward(pass: WindowPass): Kernel {
  const { outer, inner, taps, border } = pass;
  return {
    key: keyOf('forward', pass),
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(outer * windowPositions(pass) * inner),
    constants: constantsOf(pass),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
${SIZES}

fn sample(start: u32, place: i32) -> f32 {
#if ${border === 'zero'}
  let inside = place >= 0 && place < i32(sizes.length);
  let value = x[start + u32(select(0, place, inside)) * sizes.inner];
  return select(0.0, value, inside);
#elif ${border === 'reflect'}
  let mirrored = abs(place);
  return x[start + u32(min(mirrored, 2 * i32(sizes.length) - 2 - mirrored)) * sizes.inner];
#else
  return x[start + u32(place) * sizes.inner];
#endif
}

${linearMain('sizes.outer * sizes.positions * sizes.inner')}
  let line = index / sizes.inner;
  let start = (line / sizes.positions) * sizes.length * sizes.inner + index % sizes.inner;
  let first = i32(line % sizes.positions) - ${radius(pass)};
  var sum = 0.0;
  ${taps.map((tap, t) => `sum += ${literal(tap)} * sample(start, first + ${t});`).join('\n  ')}
  y[index] = sum;
}
`,
  };
}

/** Bindings dy, dx. */
export function windowAdjoint(pass: WindowPass): Kernel {
  const { outer, length, inner, taps, border } = pass;
  const r = radius(pass);
  return {
    key: keyOf('adjoint', pass),
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(outer * length * inner),
    constants: constantsOf(pass),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read_write> dx: array<f32>;
${SIZES}

fn cotangent(start: u32, position: i32) -> f32 {
  let inside = position >= 0 && position < i32(sizes.positions);
  let value = dy[start + u32(select(0, position, inside)) * sizes.inner];
  return select(0.0, value, inside);
}

fn gather(start: u32, place: i32) -> f32 {
  var sum = 0.0;
  ${taps
    .map((tap, t) => `sum += ${literal(tap)} * cotangent(start, place + ${r - t});`)
    .join('\n  ')}
  return sum;
}

${linearMain('sizes.outer * sizes.length * sizes.inner')}
  let line = index / sizes.inner;
  let start = (line / sizes.length) * sizes.positions * sizes.inner + index % sizes.inner;
  let place = i32(line % sizes.length);
#if ${border === 'reflect'}
  // The place itself; then, near a border, its mirror images (the border sample has none there).
  let last = i32(sizes.length) - 1;
  let low = place >= 1 && place <= ${r};
  let high = place >= last - ${r} && place < last;
  var sum = 0.0;
  for (var image = 0u; image < select(1u, 3u, low || high); image++) {
    if (image == 0u || (image == 1u && low) || (image == 2u && high)) {
      let shown = select(select(place, -place, image == 1u), 2 * last - place, image == 2u);
      sum += gather(start, shown);
    }
  }
  dx[index] = sum;
#else
  dx[index] = gather(start, place);
#endif
}
`,
  };
}
