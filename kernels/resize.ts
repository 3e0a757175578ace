import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from './kernel.ts';
import { linearMain, linearWorkgroups } from './linear.ts';
import { doubleBackward, doubleForward, isDouble } from './resize-double.ts';
import type { ResizeMode, ResizeSpec } from './resize-spec.ts';

/*
 * Resampling of planes on a regular grid:
 *
 *   x: [planes, H, W]   y: [planes, OH, OW]
 *
 *   bilinear   source = max(0, (o + 1/2)·in/out - 1/2), between ⌊source⌋ and the next pixel, if any
 *   corners    source = o·(in-1)/(out-1): the corner pixels of both images coincide
 *   nearest    source = ⌊o·in/out⌋
 *
 * Positions are ratios of integers, computed as integers, so that forward and backward agree on every
 * pixel. The two axes are separable: each output pixel has two taps an axis. Backward is a gather:
 * each input pixel visits the outputs that may have it as a tap, in order. Doubling has kernels of its own:
 * `resize-double.ts`.
 */

function keyOf(name: string, spec: ResizeSpec): string {
  const { mode, planes, height, width, outputHeight, outputWidth } = spec;
  return `resize.${mode}.${name}.${planes}x${height}x${width}.${outputHeight}x${outputWidth}`;
}

/** source = numerator/denominator of output o: numerator = max(0, step·o + start). */
function positions(mode: ResizeMode, size: number, output: number) {
  switch (mode) {
    case 'bilinear':
      return { step: 2 * size, start: size - output, denominator: 2 * output };
    case 'corners':
      return { step: size - 1, start: 0, denominator: Math.max(output - 1, 1) };
    case 'nearest':
      return { step: size, start: 0, denominator: output };
  }
}

/** Declares `fn name(o: u32) -> Taps`: the two source pixels of output `o`, and the second's weight. */
function tapsFunction(name: string, mode: ResizeMode, size: number, output: number): string {
  const { step, start, denominator } = positions(mode, size, output);
  const weight = mode === 'nearest' ? '0.0' : `f32(numerator % ${denominator}u) / ${denominator}.0`;
  return `
fn ${name}(o: u32) -> Taps {
  let numerator = u32(max(i32(o) * ${step} + ${start}, 0));
  let first = min(numerator / ${denominator}u, ${size - 1}u);
  return Taps(first, min(first + 1u, ${size - 1}u), ${weight});
}`;
}

const TAPS = `
struct Taps { first: u32, second: u32, weight: f32 }`;

/** Bindings x, y. */
export function resizeForward(spec: ResizeSpec): Kernel {
  if (isDouble(spec)) return doubleForward(spec);
  const { mode, planes, height, width, outputHeight, outputWidth } = spec;
  const outputs = outputHeight * outputWidth;
  const count = planes * outputs;
  return {
    key: keyOf('forward', spec),
    bindings: ['read', 'write'],
    workgroups: linearWorkgroups(count),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;
${TAPS}
${tapsFunction('rowTaps', mode, height, outputHeight)}
${tapsFunction('columnTaps', mode, width, outputWidth)}
${linearMain(count)}
  let plane = (index / ${outputs}u) * ${height * width}u;
  let pixel = index % ${outputs}u;
  let rows = rowTaps(pixel / ${outputWidth}u);
  let columns = columnTaps(pixel % ${outputWidth}u);
#if ${mode === 'nearest'}
  result[index] = x[plane + rows.first * ${width}u + columns.first];
#else
  let upper = plane + rows.first * ${width}u;
  let lower = plane + rows.second * ${width}u;
  let top = mix(x[upper + columns.first], x[upper + columns.second], columns.weight);
  let bottom = mix(x[lower + columns.first], x[lower + columns.second], columns.weight);
  result[index] = mix(top, bottom, rows.weight);
#endif
}
`,
  };
}

/**
 * Outputs that may have pixel i as a tap lie in [first(i), first(i) + span): those whose source is in
 * [i-1, i+1). Found on the host for every i; the shader computes `first` by the same formula.
 */
function candidates(mode: ResizeMode, size: number, output: number) {
  const { step, start, denominator } = positions(mode, size, output);
  // source ≥ i-1 ⇔ o ≥ ((i-1)·denominator - start)/step, one less for safety of the rounding.
  const firstOf = (i: number): number =>
    step === 0 ? 0 : Math.max(Math.floor(((i - 1) * denominator - start) / step), 0);
  let span = 1;
  for (let i = 0; i < size; i++) {
    const beyond =
      step === 0 || i === size - 1
        ? output
        : Math.min(Math.ceil(((i + 1) * denominator - start) / step) + 1, output);
    span = Math.max(span, beyond - firstOf(i));
  }
  const code =
    step === 0
      ? '0u'
      : // Integer division truncates towards zero, which the clamp to 0 makes a floor.
        `u32(max((i32(i) - 1) * ${denominator} - ${start}, 0)) / ${step}u`;
  return { span, code };
}

/** Bindings dy, dx. */
export function resizeBackward(spec: ResizeSpec): Kernel {
  if (isDouble(spec)) return doubleBackward(spec);
  const { mode, planes, height, width, outputHeight, outputWidth } = spec;
  const count = planes * height * width;
  const rows = candidates(mode, height, outputHeight);
  const columns = candidates(mode, width, outputWidth);
  return {
    key: keyOf('backward', spec),
    bindings: ['read', 'write'],
    workgroups: linearWorkgroups(count),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;
${TAPS}
${tapsFunction('rowTaps', mode, height, outputHeight)}
${tapsFunction('columnTaps', mode, width, outputWidth)}
fn firstRow(i: u32) -> u32 { return ${rows.code}; }
fn firstColumn(i: u32) -> u32 { return ${columns.code}; }

/** Weight of pixel i among the taps; the two taps may be the same pixel. */
fn weightOf(taps: Taps, i: u32) -> f32 {
  return select(0.0, 1.0 - taps.weight, taps.first == i) + select(0.0, taps.weight, taps.second == i);
}

${linearMain(count)}
  let plane = (index / ${height * width}u) * ${outputHeight * outputWidth}u;
  let pixel = index % ${height * width}u;
  let y = pixel / ${width}u;
  let x = pixel % ${width}u;
  let top = firstRow(y);
  let left = firstColumn(x);
  // Hidden from the compiler, which would unroll short loops.
  let height = select(0u, ${rows.span}u, groups.x > 0u);
  let width = select(0u, ${columns.span}u, groups.x > 0u);
  var sum = 0.0;
  for (var j = 0u; j < height; j++) {
    let row = top + j;
    if (row >= ${outputHeight}u) { break; }
    let rowWeight = weightOf(rowTaps(row), y);
    if (rowWeight == 0.0) { continue; }
    for (var i = 0u; i < width; i++) {
      let column = left + i;
      if (column >= ${outputWidth}u) { break; }
      let weight = weightOf(columnTaps(column), x);
      if (weight != 0.0) {
        sum += rowWeight * weight * dy[plane + row * ${outputWidth}u + column];
      }
    }
  }
  result[index] = sum;
}
`,
  };
}
