import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { AdapterProfile, Kernel, Plan } from './kernel.ts';
import { linearMain, linearWorkgroups } from './linear.ts';
import type { MaxPool2dSpec } from './max-pool2d-spec.ts';
import { isTiled, tiledBackward, tiledForward } from './max-pool2d-tiled.ts';

/*
 * Maximum over windows of planes:
 *
 *   x: [planes, H, W]   y: [planes, OH, OW]   y[oy,ox] = max x[oy·s - p + ky, ox·s - p + kx]
 *
 * over the taps inside the image. Ties go to the first tap in row-major order; NaN beats everything.
 *
 * Backward, without atomics: one kernel finds each window's winner again, another goes along the windows
 * that reach a row of the input and adds their cotangents to those winners that are in it. On CPU drivers, where
 * integer divisions are dear, an invocation finds the winners of four neighbouring windows.
 *
 * Windows that tile the image have kernels of their own: `max-pool2d-tiled.ts`.
 */

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
function windows(
  spec: MaxPool2dSpec,
  result: 'maximum' | 'winner',
  { kind }: AdapterProfile,
): Kernel {
  const { kernel, stride, padding, planes, outputHeight, outputWidth } = spec;
  const together = kind === 'cpu' ? 4 : 1;
  const windows = Array.from({ length: together }, (_, window) => window);
  const columns = Array.from({ length: (together - 1) * stride + kernel }, (_, column) => column);
  /** What the value of a column means to the windows that it is in. */
  const consider = (column: number): string =>
    windows
      .filter((window) => column >= window * stride && column < window * stride + kernel)
      .map((window) => `consider(value, at, &best${window}, &winner${window});`)
      .join(' ');
  return {
    key: `${keyOf(result, spec)}.${together}`,
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(planes * outputHeight * Math.ceil(outputWidth / together)),
    constants: constantsOf(spec),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> result: array<${result === 'maximum' ? 'f32' : 'u32'}>;
${sizesBinding(2)}

const NONE = 0xffffffffu;

fn isNan(value: f32) -> bool { return (bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u; }

fn consider(value: f32, at: u32, best: ptr<function, f32>, winner: ptr<function, u32>) {
  let wins = *winner == NONE || isNan(value) || (!isNan(*best) && value > *best);
  *best = select(*best, value, wins);
  *winner = select(*winner, at, wins);
}

fn across() -> u32 { return (sizes.outputWidth + ${together - 1}u) / ${together}u; }

${linearMain('sizes.planes * sizes.outputHeight * across()')}
  let line = index / across();
  let column = (index - line * across()) * ${together}u;
  let plane = line / sizes.outputHeight;
  let start = plane * sizes.height * sizes.width;
  // Coordinates before the image wrap to huge numbers, beyond its end.
  let top = (line - plane * sizes.outputHeight) * ${stride}u - ${padding}u;
  let left = column * ${stride}u - ${padding}u;
${windows.map((k) => `  var best${k} = 0.0;\n  var winner${k} = NONE;`).join('\n')}
  for (var ky = 0u; ky < ${kernel}u; ky++) {
    let row = top + ky;
    if (row < sizes.height) {
${columns
  .map(
    (k) => `      if (left + ${k}u < sizes.width) {
        let at = row * sizes.width + left + ${k}u;
        let value = x[start + at];
        ${consider(k)}
      }`,
  )
  .join('\n')}
    }
  }
  let first = line * sizes.outputWidth + column;
${windows
  .map(
    (k) =>
      `  if (column + ${k}u < sizes.outputWidth) { result[first + ${k}u] = ${result === 'maximum' ? 'best' : 'winner'}${k}; }`,
  )
  .join('\n')}
}
`,
  };
}

/** Bindings x, y. */
export function maxPool2dForward(spec: MaxPool2dSpec, profile: AdapterProfile): Kernel {
  return isTiled(spec) ? tiledForward(spec) : windows(spec, 'maximum', profile);
}

/** Inputs x, dy; output dx, which is added to with `accumulate`. */
export function maxPool2dBackward(
  spec: MaxPool2dSpec,
  profile: AdapterProfile,
  accumulate = false,
): Plan {
  if (isTiled(spec)) {
    const operands = [{ input: 0 }, { input: 1 }, { output: 0 }];
    return { temporaries: [], steps: [{ kernel: tiledBackward(spec, accumulate), operands }] };
  }
  return {
    temporaries: [spec.planes * spec.outputHeight * spec.outputWidth],
    steps: [
      { kernel: windows(spec, 'winner', profile), operands: [{ input: 0 }, { temporary: 0 }] },
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
