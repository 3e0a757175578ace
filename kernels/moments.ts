import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from './kernel.ts';
import { linearMain, linearWorkgroups, literal } from './linear.ts';

/*
 * Pictures from which similarity measures are made, and the measures as maps of window moments.
 *
 *   products   a, b: [N,1,H,W] → [N,5,H,W] = (a, b, a², b², ab)
 *   map        e: [N,5,H,W], window averages of the five → [N,1,H,W]
 *
 * With means m = s·E[·], variances v = E[·²] - m² (below 0 only by rounding; optionally cut off) and
 * covariance c = E[ab] - m_a m_b, the maps are
 *
 *   ssim         (2 m_a m_b + C1)(2kc + C2) / ((m_a² + m_b² + C1)(k(v_a + v_b) + C2))
 *   correlation  c / (√(v_a v_b) + ε)
 *   squared      (nc)² / (n v_a · n v_b + ε)
 *   floored      (nc)² / (max(n v_a, ε)·max(n v_b, ε))
 *
 * Derivatives are first those by m, v and c; the five moments follow by the chain rule. Where a
 * variance is cut off its derivative is 0, and so is that of √(v_a v_b) at 0.
 */

export type MomentMap =
  | {
      readonly kind: 'ssim';
      /** k: 1 for population moments, n/(n-1) for sample ones. */
      readonly momentScale: number;
      readonly clampVariance: boolean;
      readonly c1: number;
      readonly c2: number;
    }
  | {
      readonly kind: 'correlation';
      /** s: 1, or what the means are (wrongly) multiplied by once more. */
      readonly meanScale: number;
      readonly epsilon: number;
    }
  | {
      readonly kind: 'squared' | 'floored';
      /** n: pixels of a window. */
      readonly area: number;
      readonly epsilon: number;
    };

/** Images of the stack. */
const IMAGES = 5;

/** Declares the sizes at a binding. */
function sizesBinding(binding: number): string {
  return `
struct Sizes { count: u32, pixels: u32 }
@group(0) @binding(${binding}) var<storage, read> sizes: Sizes;`;
}

/** What all kernels have in common; pipelines serve all sizes. */
function common(batch: number, pixels: number) {
  return {
    workgroups: linearWorkgroups(batch * pixels),
    constants: [batch * pixels, pixels],
  };
}

/** Opens `main`; `start` is where the invocation's pixel lies in the first image of the stack. */
const MAIN = `${linearMain('sizes.count')}
  let pixels = sizes.pixels;
  let start = (index / pixels) * ${IMAGES}u * pixels + index % pixels;`;

function mapKey(map: MomentMap): string {
  return Object.values(map).join();
}

/** (a, b, a², b², ab). Bindings a, b, stack. @param pixels H·W */
export function pairProducts(batch: number, pixels: number): Kernel {
  return {
    key: 'moments.products',
    bindings: ['read', 'read', 'write', 'read'],
    ...common(batch, pixels),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> first: array<f32>;
@group(0) @binding(1) var<storage, read> second: array<f32>;
@group(0) @binding(2) var<storage, read_write> stack: array<f32>;
${sizesBinding(3)}
${MAIN}
  let a = first[index];
  let b = second[index];
  stack[start] = a;
  stack[start + pixels] = b;
  stack[start + 2u * pixels] = a * a;
  stack[start + 3u * pixels] = b * b;
  stack[start + 4u * pixels] = a * b;
}
`,
  };
}

/**
 * da = g₀ + 2a·g₂ + b·g₄, or for the second image db = g₁ + 2b·g₃ + a·g₄.
 * Bindings: g, the image asked for, the other one, its gradient.
 */
export function pairProductsGradient(
  batch: number,
  pixels: number,
  image: 'first' | 'second',
): Kernel {
  const own = image === 'first' ? 0 : 1;
  return {
    key: `moments.products.${image}`,
    bindings: ['read', 'read', 'read', 'write', 'read'],
    ...common(batch, pixels),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> cotangent: array<f32>;
@group(0) @binding(1) var<storage, read> image: array<f32>;
@group(0) @binding(2) var<storage, read> other: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;
${sizesBinding(4)}
${MAIN}
  gradient[index] = cotangent[start + ${own}u * pixels]
    + 2.0 * image[index] * cotangent[start + ${2 + own}u * pixels]
    + other[index] * cotangent[start + 4u * pixels];
}
`,
  };
}

/** Lines that define ma, mb, va, vb, c from the binding `moments` at `start`. */
function centralMoments(map: MomentMap): string {
  const scale = map.kind === 'correlation' ? ` * ${literal(map.meanScale)}` : '';
  return `
  let ma = moments[start]${scale};
  let mb = moments[start + pixels]${scale};
  let va = moments[start + 2u * pixels] - ma * ma;
  let vb = moments[start + 3u * pixels] - mb * mb;
  let c = moments[start + 4u * pixels] - ma * mb;`;
}

/** Lines that define `value`, and with `slopes` its derivatives dma, dmb, dva, dvb, dc. */
function mapLines(map: MomentMap, slopes: boolean): string {
  if (map.kind === 'ssim') {
    const k = literal(map.momentScale);
    const bound = map.clampVariance;
    return `
  let wa = ${bound ? 'select(va, 0.0, va < 0.0)' : 'va'};
  let wb = ${bound ? 'select(vb, 0.0, vb < 0.0)' : 'vb'};
  let p = 2.0 * ma * mb + ${literal(map.c1)};
  let q = 2.0 * ${k} * c + ${literal(map.c2)};
  let r = ma * ma + mb * mb + ${literal(map.c1)};
  let s = ${k} * (wa + wb) + ${literal(map.c2)};
  let value = (p * q) / (r * s);${
    slopes
      ? `
  let dma = 2.0 * (mb * q / s - value * ma) / r;
  let dmb = 2.0 * (ma * q / s - value * mb) / r;
  let dv = -value * ${k} / s;
  let dva = ${bound ? 'select(dv, 0.0, va < 0.0)' : 'dv'};
  let dvb = ${bound ? 'select(dv, 0.0, vb < 0.0)' : 'dv'};
  let dc = 2.0 * ${k} * p / (r * s);`
      : ''
  }`;
  }
  if (map.kind === 'correlation') {
    return `
  let flat = va <= 0.0 || vb <= 0.0;
  let root = select(sqrt(va) * sqrt(vb), 0.0, flat);
  let dc = 1.0 / (root + ${literal(map.epsilon)});
  let value = c * dc;${
    slopes
      ? `
  let half = -0.5 * value * dc;
  let dva = select(half * sqrt(vb) / sqrt(va), 0.0, flat);
  let dvb = select(half * sqrt(va) / sqrt(vb), 0.0, flat);`
      : ''
  }`;
  }
  const n = literal(map.area);
  const epsilon = literal(map.epsilon);
  if (map.kind === 'squared') {
    return `
  let cross = ${n} * c;
  let spread = ${n} * va * (${n} * vb) + ${epsilon};
  let value = cross * cross / spread;${
    slopes
      ? `
  let dc = 2.0 * ${n} * cross / spread;
  let dva = -value * ${n} * (${n} * vb) / spread;
  let dvb = -value * ${n} * (${n} * va) / spread;`
      : ''
  }`;
  }
  return `
  let cross = ${n} * c;
  let flatA = ${n} * va <= ${epsilon};
  let flatB = ${n} * vb <= ${epsilon};
  let wa = select(${n} * va, ${epsilon}, flatA);
  let wb = select(${n} * vb, ${epsilon}, flatB);
  let value = cross / wa * (cross / wb);${
    slopes
      ? `
  let dc = 2.0 * ${n} * (cross / wa) / wb;
  let dva = select(-value * ${n} / wa, 0.0, flatA);
  let dvb = select(-value * ${n} / wb, 0.0, flatB);`
      : ''
  }`;
}

/** Bindings moments, map. @param pixels H·W */
export function momentMapForward(map: MomentMap, batch: number, pixels: number): Kernel {
  return {
    key: `moments.map.${mapKey(map)}`,
    bindings: ['read', 'write', 'read'],
    ...common(batch, pixels),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> moments: array<f32>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;
${sizesBinding(2)}
${MAIN}${centralMoments(map)}${mapLines(map, false)}
  result[index] = value;
}
`,
  };
}

/** Bindings moments, g, gradient of the moments. */
export function momentMapGradient(map: MomentMap, batch: number, pixels: number): Kernel {
  const ssim = map.kind === 'ssim';
  const scale = map.kind === 'correlation' ? `${literal(map.meanScale)} * ` : '';
  return {
    key: `moments.map.gradient.${mapKey(map)}`,
    bindings: ['read', 'read', 'write', 'read'],
    ...common(batch, pixels),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> moments: array<f32>;
@group(0) @binding(1) var<storage, read> cotangent: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradient: array<f32>;
${sizesBinding(3)}
${MAIN}${centralMoments(map)}${mapLines(map, true)}
  let g = cotangent[index];
#if ${!ssim}
  let dma = 0.0;
  let dmb = 0.0;
#endif
  gradient[start] = g * ${scale}(dma - 2.0 * ma * dva - mb * dc);
  gradient[start + pixels] = g * ${scale}(dmb - 2.0 * mb * dvb - ma * dc);
  gradient[start + 2u * pixels] = g * dva;
  gradient[start + 3u * pixels] = g * dvb;
  gradient[start + 4u * pixels] = g * dc;
}
`,
  };
}
