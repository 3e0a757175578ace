import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from './kernel.ts';
import { linearMain, linearWorkgroups } from './linear.ts';
import type { MaxPool2dSpec } from './max-pool2d-spec.ts';

/*
 * Max-pooling by windows that tile the image, as VGG has it: every pixel is in one window, so that the gradient
 * needs no second pass. An invocation does four neighbouring windows: of each of their rows it reads `stride`
 * vec4s, whose elements it sorts by their place in the window, and works on vec4s over the windows.
 */

/** Largest stride that is unrolled. */
const MOST = 4;

/** Whether windows tile the image, four to a vec4 of the output. */
export function isTiled(spec: MaxPool2dSpec): boolean {
  const { height, width, outputHeight, outputWidth, kernel, stride, padding } = spec;
  const covers = height === outputHeight * stride && width === outputWidth * stride;
  return kernel === stride && stride <= MOST && padding === 0 && covers && outputWidth % 4 === 0;
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

const SIZES = 'struct Sizes { count: u32, across: u32 }';

/** Number of invocations, and of those a row of windows. */
function sizesOf({ planes, outputHeight, outputWidth }: MaxPool2dSpec) {
  const across = outputWidth / 4;
  const count = planes * outputHeight * across;
  return { workgroups: linearWorkgroups(count), constants: [count, across] };
}

/** Opens `main` and finds `best`, and which tap has it: `winner`, four windows each. */
function findWinners(stride: number): string {
  const element = (column: number): string => `pixels${column >> 2}.${'xyzw'[column & 3]}`;
  const rows = range(stride).map((ky) => {
    const loads = range(stride).map((i) => `let pixels${i} = x[first + ${ky}u * pitch + ${i}u];`);
    const taps = range(stride).map(
      (kx) =>
        `consider(vec4f(${range(4)
          .map((window) => element(window * stride + kx))
          .join(', ')}), ${ky * stride + kx}u, &best, &winner);`,
    );
    return `  {
    ${[...loads, ...taps].join('\n    ')}
  }`;
  });
  return `
fn isNan(value: vec4f) -> vec4<bool> {
  return (bitcast<vec4u>(value) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
}

fn consider(value: vec4f, tap: u32, best: ptr<function, vec4f>, winner: ptr<function, vec4u>) {
  let wins = isNan(value) | (!isNan(*best) & (value > *best)) | vec4<bool>(tap == 0u);
  *best = select(*best, value, wins);
  *winner = select(*winner, vec4u(tap), wins);
}

${linearMain('sizes.count')}
  let row = index / sizes.across;
  let pitch = sizes.across * ${stride}u;
  let first = row * ${stride}u * pitch + (index - row * sizes.across) * ${stride}u;
  var best = vec4f(0.0);
  var winner = vec4u(0u);
${rows.join('\n')}`;
}

/** Bindings x, y. */
export function tiledForward(spec: MaxPool2dSpec): Kernel {
  return {
    key: `max-pool2d.tiled.s${spec.stride}`,
    bindings: ['read', 'write', 'read'],
    ...sizesOf(spec),
    code: () => wgsl`
${SIZES}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;
${findWinners(spec.stride)}
  result[index] = best;
}
`,
  };
}

/** Bindings x, dy, dx, which is added to with `accumulate`. */
export function tiledBackward(spec: MaxPool2dSpec, accumulate: boolean): Kernel {
  const { stride } = spec;
  const element = (ky: number, column: number): string => {
    const [window, kx] = [Math.floor(column / stride), column % stride];
    return `select(0.0, dy.${'xyzw'[window]}, winner.${'xyzw'[window]} == ${ky * stride + kx}u)`;
  };
  const stores = range(stride).flatMap((ky) =>
    range(stride).map((i) => {
      const place = `result[first + ${ky}u * pitch + ${i}u]`;
      const value = `vec4f(${range(4)
        .map((k) => element(ky, 4 * i + k))
        .join(', ')})`;
      return `  ${place} = ${accumulate ? `${place} + ` : ''}${value};`;
    }),
  );
  return {
    key: `max-pool2d.tiled-gradient.s${stride}${accumulate ? '+' : ''}`,
    bindings: ['read', 'read', 'write', 'read'],
    ...sizesOf(spec),
    code: () => wgsl`
${SIZES}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> cotangent: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${findWinners(stride)}
  let dy = cotangent[index];
${stores.join('\n')}
}
`,
  };
}
