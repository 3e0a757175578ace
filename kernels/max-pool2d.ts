import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel, Plan } from './kernel.ts';
import { linearMain, linearWorkgroups } from './linear.ts';

/*
 * Maximum over windows of planes:
 *
 *   x: [planes, H, W]   y: [planes, OH, OW]   y[oy,ox] = max x[oy·s - p + ky, ox·s - p + kx]
 *
 * over the taps inside the image. Ties go to the first tap in row-major order; NaN beats everything.
 *
 * Backward, without atomics: one kernel finds each window's winner again, another goes along the windows
 * that reach a row of the input and adds their cotangents to those winners that are in it.
 */

export interface MaxPool2dSpec {
  readonly planes: number;
  readonly height: number;
  readonly width: number;
  readonly outputHeight: number;
  readonly outputWidth: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
}

/** Pipelines serve all sizes. */
function keyOf(name: string, { kernel, stride, padding }: MaxPool2dSpec): string {
  return `max-pool2d.${name}.k${kernel}s${stride}p${padding}`;
}

/** Declares the sizes at a binding. */
function sizesBinding(binding: number): string {
  return `
struct Sizes { planes: u32, height: u32, width: u32, outputHeight: u32, outputWidth: u32 }
@group(0) @binding(${binding}) var<storage, read> sizes: Sizes;`;
}

function constantsOf(spec: MaxPool2dSpec): number[] {
  const { planes, height, width, outputHeight, outputWidth } = spec;
  return [planes, height, width, outputHeight, outputWidth];
}

/** Bindings x, y; or x, winners (the index of each window's maximum within its plane). */
function windows(spec: MaxPool2dSpec, result: 'maximum' | 'winner'): Kernel {
  const { kernel, stride, padding } = spec;
  return {
    key: keyOf(result, spec),
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(spec.planes * spec.outputHeight * spec.outputWidth),
    constants: constantsOf(spec),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> result: array<${result === 'maximum' ? 'f32' : 'u32'}>;
${sizesBinding(2)}

fn isNan(value: f32) -> bool { return (bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u; }

${linearMain('sizes.planes * sizes.outputHeight * sizes.outputWidth')}
  let outputs = sizes.outputHeight * sizes.outputWidth;
  let plane = index / outputs;
  let pixel = index % outputs;
  let start = plane * sizes.height * sizes.width;
  // Coordinates before the image wrap to huge numbers, beyond its end.
  let top = (pixel / sizes.outputWidth) * ${stride}u - ${padding}u;
  let left = (pixel % sizes.outputWidth) * ${stride}u - ${padding}u;
  var best = 0.0;
  var winner = 0xffffffffu;
  for (var ky = 0u; ky < ${kernel}u; ky++) {
    for (var kx = 0u; kx < ${kernel}u; kx++) {
      let row = top + ky;
      let column = left + kx;
      if (row < sizes.height && column < sizes.width) {
        let at = row * sizes.width + column;
        let value = x[start + at];
        if (winner == 0xffffffffu || isNan(value) || (!isNan(best) && value > best)) {
          best = value;
          winner = at;
        }
      }
    }
  }
  result[index] = ${result === 'maximum' ? 'best' : 'winner'};
}
`,
  };
}

/** Bindings x, y. */
export function maxPool2dForward(spec: MaxPool2dSpec): Kernel {
  return windows(spec, 'maximum');
}

/** Inputs x, dy; output dx, which is added to with `accumulate`. */
export function maxPool2dBackward(spec: MaxPool2dSpec, accumulate = false): Plan {
  return {
    temporaries: [spec.planes * spec.outputHeight * spec.outputWidth],
    steps: [
      { kernel: windows(spec, 'winner'), operands: [{ input: 0 }, { temporary: 0 }] },
      {
        kernel: scatter(spec, accumulate),
        operands: [{ temporary: 0 }, { input: 1 }, { output: 0 }],
      },
    ],
  };
}

/**
 * Bindings winners, dy, dx. One invocation makes one row of dx: it clears it (not so if the gradient is
 * added to what is there), then gives the cotangent of every window that reaches the row to the winner,
 * if that is in the row.
 */
function scatter(spec: MaxPool2dSpec, accumulate: boolean): Kernel {
  const { kernel, stride, padding } = spec;
  return {
    key: `${keyOf('scatter', spec)}${accumulate ? '+' : ''}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: linearWorkgroups(spec.planes * spec.height),
    constants: constantsOf(spec),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> winners: array<u32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;
${sizesBinding(3)}
${linearMain('sizes.planes * sizes.height')}
  let plane = index / sizes.height;
  let y = index % sizes.height;
  let start = index * sizes.width;
#if ${!accumulate}
  for (var x = 0u; x < sizes.width; x++) { result[start + x] = 0.0; }
#endif
  // Windows oy with oy·stride - padding ≤ y < oy·stride - padding + kernel.
  let reach = y + ${padding}u;
  let first = select(0u, (reach - ${kernel}u) / ${stride}u + 1u, reach >= ${kernel}u);
  let last = min(reach / ${stride}u + 1u, sizes.outputHeight);
  for (var oy = first; oy < last; oy++) {
    let window = (plane * sizes.outputHeight + oy) * sizes.outputWidth;
    for (var ox = 0u; ox < sizes.outputWidth; ox++) {
      // Wraps to huge numbers before the row.
      let x = winners[window + ox] - y * sizes.width;
      if (x < sizes.width) { result[start + x] = result[start + x] + dy[window + ox]; }
    }
  }
}
`,
  };
}
