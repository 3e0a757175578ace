import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from './kernel.ts';
import { linearMain, linearWorkgroups, literal } from './linear.ts';

/*
 * Scores from a few numbers a sample, all arrays [N]:
 *
 *   decibels     y = -10·log10(x), or `ceiling` where x = 0 (slope 0 there)
 *   correlation  y = xy / √(xx·yy), or 0 where xx or yy is 0 (slope 0 there)
 *
 * Storages are padded to four elements; what is computed from padding is never looked at.
 */

/** By bits: a comparison with NaN may go either way, and NaN must not become a score. */
const BIT_TESTS = `
fn isZero(value: f32) -> bool { return (bitcast<u32>(value) & 0x7fffffffu) == 0u; }
fn isNan(value: f32) -> bool { return (bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u; }`;

/** 10 / ln 10. */
const DECIBEL = 10 / Math.LN10;

/** Bindings x, y. */
export function decibels(count: number, ceiling: number): Kernel {
  return {
    key: `scores.decibels.${ceiling}`,
    bindings: ['read', 'write'],
    workgroups: linearWorkgroups(count),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
${BIT_TESTS}
${linearMain('arrayLength(&y)')}
  let value = x[index];
  let zero = isZero(value);
  // SwiftShader's logarithm of NaN is a number.
  let level = select(${literal(-DECIBEL)} * log(select(value, 1.0, zero)), value, isNan(value));
  y[index] = select(level, ${literal(ceiling)}, zero);
}
`,
  };
}

/** Bindings x, dy, dx. */
export function decibelsGradient(count: number): Kernel {
  return {
    key: 'scores.decibels.gradient',
    bindings: ['read', 'read', 'write'],
    workgroups: linearWorkgroups(count),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
${BIT_TESTS}
${linearMain('arrayLength(&dx)')}
  let value = x[index];
  let zero = isZero(value);
  dx[index] = select(${literal(-DECIBEL)} * dy[index] / select(value, 1.0, zero), 0.0, zero);
}
`,
  };
}

/** Bindings xy, xx, yy, y. */
export function correlation(count: number): Kernel {
  return {
    key: 'scores.correlation',
    bindings: ['read', 'read', 'read', 'write'],
    workgroups: linearWorkgroups(count),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> xy: array<f32>;
@group(0) @binding(1) var<storage, read> xx: array<f32>;
@group(0) @binding(2) var<storage, read> yy: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
${BIT_TESTS}
${linearMain('arrayLength(&y)')}
  let flat = isZero(xx[index]) || isZero(yy[index]);
  let root = select(sqrt(xx[index]) * sqrt(yy[index]), 1.0, flat);
  y[index] = select(xy[index] / root, 0.0, flat);
}
`,
  };
}

/** Gradient of one of the three. Bindings xy, xx, yy, dy, and the gradient. */
export function correlationGradient(count: number, of: 'xy' | 'xx' | 'yy'): Kernel {
  return {
    key: `scores.correlation.${of}`,
    bindings: ['read', 'read', 'read', 'read', 'write'],
    workgroups: linearWorkgroups(count),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> xy: array<f32>;
@group(0) @binding(1) var<storage, read> xx: array<f32>;
@group(0) @binding(2) var<storage, read> yy: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>;
${BIT_TESTS}
${linearMain('arrayLength(&gradient)')}
  let flat = isZero(xx[index]) || isZero(yy[index]);
  let root = select(sqrt(xx[index]) * sqrt(yy[index]), 1.0, flat);
#if ${of === 'xy'}
  let slope = 1.0 / root;
#else
  let slope = -0.5 * xy[index] / (root * select(${of}[index], 1.0, flat));
#endif
  gradient[index] = select(dy[index] * slope, 0.0, flat);
}
`,
  };
}
