import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type AdapterProfile, floatBits, type Kernel, type Plan } from '../kernel.ts';
import { linearMain, linearWorkgroups } from '../linear.ts';
import { type Correlation, pointwiseCorrelation } from './correlation-spec.ts';
import { directPlan } from './direct.ts';
import {
  ACTIVATE_VALUE,
  EPILOGUE_ACTIVATION,
  epilogueCode,
  epilogueSlope,
  storeVector,
} from './epilogue.ts';
import type { ConvGeometry } from './geometry.ts';
import { windowFunctions } from './window.ts';

/*
 * Convolutions onto one channel, or very few: the last layer of a discriminator, the last transposed one
 * of a U-Net, and what flows back to an image. A tile of `correlation.ts` would have one row, and load a
 * window of the image for every dozen products. Instead all taps are taken as rows, of a 1×1 convolution
 * that reads every pixel once,
 *
 *   Z[n,(r,k),i] = Σ_c w[c,r,k]·x[n,c,i]              k = (ky,kx),  i a pixel of x
 *
 * and of its planes, one for each tap, the results are added up where they meet:
 *
 *   forward, s = 1     y[n,0,q] = f(bias + Σ_k Z[n,k, q-p+k])
 *   data gradient      y[n,r,v] = f(bias[r] + Σ { Z[n,(r,k),i] : s·i+k = v+p })
 *
 * Z holds KH·KW values a pixel of x and row, x itself as many as it has channels: there must be more of
 * those. Pixels outside of x are zeros or, forward, found by reflection.
 */

/** Most rows that Z may have: two blocks of the tiles. */
const MOST_ROWS = 32;

/** Least channels for which the detour pays. */
const LEAST_CHANNELS = 16;

/** Least products for which two dispatches more pay, in multiplications. */
const LEAST_PRODUCTS = 4e5;

/** Whether these kernels can do a pass of a convolution. */
export function allowsTapPlanes(
  pass: 'forward' | 'data-gradient',
  g: ConvGeometry,
  profile: AdapterProfile,
): boolean {
  const rows = pass === 'forward' ? g.outChannels : g.inChannels;
  const channels = pass === 'forward' ? g.inChannels : g.outChannels;
  const taps = g.kernelHeight * g.kernelWidth;
  return (
    profile.kind === 'cpu' &&
    taps >= 4 &&
    rows * taps <= MOST_ROWS &&
    channels % 4 === 0 &&
    RUN % g.stride === 0 &&
    (pass === 'data-gradient' || (rows === 1 && g.stride === 1))
  );
}

/**
 * Whether they are taken for it where nothing was measured.
 * @param spec the correlation that the pass is
 */
export function prefersTapPlanes(
  { channels, batch, height, width }: Correlation,
  { kernelHeight, kernelWidth }: ConvGeometry,
): boolean {
  const products = batch * channels * height * width * kernelHeight * kernelWidth;
  return channels >= LEAST_CHANNELS && products >= LEAST_PRODUCTS;
}

/**
 * Inputs: x (or dy), w, bias (only if there is one). Output: y (or dx).
 * @param spec the correlation that the pass is
 */
export function tapPlanesPlan(
  spec: Correlation,
  geometry: ConvGeometry,
  pass: 'forward' | 'data-gradient',
  profile: AdapterProfile,
): Plan {
  const { batch, channels, rows, height, width, imageSlice } = spec;
  const { kernelHeight, kernelWidth } = geometry;
  const planes = rows * kernelHeight * kernelWidth;
  const pointwise = pointwiseCorrelation(
    { batch, channels, rows: planes, imageSlice },
    height * width,
  );
  // As weights [C,R·K] they are those of a data gradient with 1×1 taps.
  const order = { kernelHeight: 1, kernelWidth: 1, adjoint: { stride: 1, phases: [0] } };
  const products = directPlan(pointwise, order, profile);
  const z = { temporary: products.temporaries.length };
  const bias = { input: spec.bias ? 2 : 1 };
  return {
    temporaries: [...products.temporaries, batch * planes * height * width],
    steps: [
      ...products.steps.map((step) => ({
        ...step,
        operands: step.operands.map((operand) => ('output' in operand ? z : operand)),
      })),
      { kernel: addPlanes(spec, geometry, pass), operands: [z, bias, { output: 0 }] },
    ],
  };
}

/**
 * Outputs of a row that an invocation makes: a multiple of the stride, so that which taps an output meets is known
 * to the code.
 */
const RUN = 4;

/** A tap along one axis that output `output` of a run meets, and at which place from the run's first. */
interface Meeting {
  readonly output: number;
  readonly tap: number;
  readonly place: number;
}

/**
 * Along x: outputs of a run start at s·`first`, with `first` the run's first place. Along y (`outputs` is 1)
 * only an output's own parity is known to the code, the rest is in `first`.
 */
function meetings(
  pass: 'forward' | 'data-gradient',
  { taps, stride, margin, outputs }: Record<'taps' | 'stride' | 'margin' | 'outputs', number>,
): Meeting[] {
  const found: Meeting[] = [];
  for (let output = 0; output < outputs; output++) {
    for (let tap = 0; tap < taps; tap++) {
      if (pass === 'forward') found.push({ output, tap, place: output + tap - margin });
      else if ((output + margin - tap) % stride === 0) {
        found.push({ output, tap, place: (output + margin - tap) / stride });
      }
    }
  }
  return found;
}

/** Bindings: Z, bias (any storage if there is none), y, sizes. */
function addPlanes(spec: Correlation, g: ConvGeometry, pass: 'forward' | 'data-gradient'): Kernel {
  const { batch, rows, height, width, outHeight, outWidth, bias, activation, accumulate } = spec;
  const { kernelHeight, kernelWidth, stride, paddingMode } = g;
  const isForward = pass === 'forward';
  const reflects = isForward && paddingMode === 'reflect';
  // A data gradient that is to be folded is that of the padded image, which has no padding itself.
  const margin = !isForward && paddingMode === 'reflect' ? 0 : g.padding;
  const runs = Math.ceil(outWidth / RUN);
  const count = batch * rows * outHeight * runs;
  return {
    key: `tap-planes.${pass}${reflects ? '.reflect' : ''}.${kernelHeight}x${kernelWidth}s${stride}p${margin}${outWidth % 4 === 0 ? '.v' : ''}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: linearWorkgroups(count),
    constants: [
      ...[count, runs, rows, outHeight, outWidth, height, width, bias ? 1 : 0],
      ...[epilogueCode(activation), floatBits(epilogueSlope(activation)), accumulate ? 1 : 0],
    ],
    code: () => wgsl`
struct Sizes {
  count: u32, runs: u32, rows: u32, outHeight: u32, outWidth: u32, height: i32, width: i32,
  biased: u32, activation: u32, slope: u32, accumulate: u32,
}
@group(0) @binding(0) var<storage, read> planes: array<f32>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<${outWidth % 4 === 0 ? 'vec4f' : 'f32'}>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${EPILOGUE_ACTIVATION}
${windowFunctions(reflects ? 'reflect' : 'zeros')}

${linearMain('sizes.count')}
  let left = index % sizes.runs * ${RUN}u;
  let line = index / sizes.runs;
  let channel = line / sizes.outHeight;
  let area = sizes.height * sizes.width;
  let first = i32(channel) * ${kernelHeight * kernelWidth} * area;
  let x0 = i32(left) / ${isForward ? 1 : stride};
  let v = i32(line % sizes.outHeight)${isForward ? '' : ` + ${margin}`};
${sums({ isForward, reflects, kernelHeight, kernelWidth, stride, margin })}
  var shift = 0.0;
  if (sizes.biased != 0u) { shift = bias[channel % sizes.rows]; }
  var value = vec4f(sum0, sum1, sum2, sum3) + shift;
  ${ACTIVATE_VALUE}
  let to = line * sizes.outWidth + left;
  let rest = sizes.outWidth - left;
  ${storeVector(outWidth, 'to', 'rest')}
}
`,
  };
}

interface SumsShape {
  readonly isForward: boolean;
  readonly reflects: boolean;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly stride: number;
  readonly margin: number;
}

/**
 * WGSL of `sum0`, `sum1`, … of a run: a loop over the rows of the kernel that the line meets, straight code
 * along x.
 */
function sums(shape: SumsShape): string {
  const { isForward, reflects, kernelHeight, kernelWidth, stride, margin } = shape;
  const pass = isForward ? 'forward' : 'data-gradient';
  const found = meetings(pass, { taps: kernelWidth, stride, margin, outputs: RUN });
  const places = [...new Set(found.map(({ place }) => place))].sort((a, b) => a - b);
  const name = (place: number): string => `${place < 0 ? 'm' : 'p'}${Math.abs(place)}`;
  const lines = Array.from({ length: RUN }, (_, i) => `var sum${i} = 0.0;`);
  for (const place of places) {
    const x = `x0 + (${place})`;
    lines.push(
      reflects
        ? `let x${name(place)} = reflect_at(${x}, sizes.width);`
        : `let x${name(place)} = clamp(${x}, 0, sizes.width - 1);
  let inside${name(place)} = x${name(place)} == ${x};`,
    );
  }
  lines.push(
    isForward
      ? `for (var ky = 0; ky < ${kernelHeight}; ky++) {`
      : `for (var ky = v % ${stride}; ky < ${kernelHeight}; ky += ${stride}) {`,
    `let y = ${isForward ? `v - ${margin} + ky` : `(v - ky) / ${stride}`};`,
    reflects
      ? 'let row = first + ky * KX * area + reflect_at(y, sizes.height) * sizes.width;'
      : `if (${isForward ? '' : 'v < ky || '}u32(y) >= u32(sizes.height)) { continue; }
  let row = first + ky * KX * area + y * sizes.width;`,
  );
  for (const { output, tap, place } of found) {
    const value = `planes[row + ${tap} * area + x${name(place)}]`;
    lines.push(
      `sum${output} += ${reflects ? value : `select(0.0, ${value}, inside${name(place)})`};`,
    );
  }
  lines.push('}');
  return lines.map((line) => `  ${line.replace('KX', String(kernelWidth))}`).join('\n');
}
