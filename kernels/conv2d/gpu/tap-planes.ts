import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { NONE } from '../../activation.ts';
import { floatBits, type Kernel, type Operand, type Plan } from '../../kernel.ts';
import { linearMain, linearWorkgroups } from '../../linear.ts';
import { EPILOGUE_ACTIVATION, epilogueCode, epilogueSlope } from '../epilogue.ts';
import { type Correlation, resultLength } from './correlation-sizes.ts';
import { INSIDE, MIRRORS, sourceFunction } from './image-loader.ts';
import { narrowCorrelation } from './narrow.ts';
import { MOST_PARTIAL } from './tile.ts';
import { type PackedWeights, packedLength, packWeights, type WeightOrder } from './weights.ts';

/*
 * Correlations of very few rows, such as a last layer's single channel, where a pixel that is loaded would
 * serve one multiply-add. Instead every tap is a row of a product of its own with the image as it lies in
 * memory, without borders, each pixel loaded once and as part of a vec4,
 *
 *   product[n, (r, ky, kx), y, x] = Σ_c w[r, c, ky, kx] · image[n, c, y, x]
 *
 * and an output pixel adds up what its taps have in the places where they meet the image.
 */

/** Results of more rows are better off in narrow tiles. */
const MOST_ROWS = 4;

/** Rows of the product that are worth their way through memory. */
const MOST_PRODUCT_ROWS = 64;

function productRows(spec: Correlation, { kernelHeight, kernelWidth }: WeightOrder): number {
  return spec.rows * kernelHeight * kernelWidth;
}

/** The product as a 1×1 convolution. */
function productOf(spec: Correlation, order: WeightOrder): Correlation {
  const plane = spec.height * spec.width;
  const line = { height: 1, width: plane, outHeight: 1, outWidth: plane };
  const pointwise = { stride: 1, tapsY: 1, tapsX: 1 };
  return {
    ...line,
    ...pointwise,
    batch: spec.batch,
    channels: spec.channels,
    rows: productRows(spec, order),
    mode: 'zeros',
    parities: [{ originY: 0, firstY: 0, originX: 0, firstX: 0 }],
    bias: false,
    activation: NONE,
  };
}

/** Whether a correlation can be made of products with single taps, and had better be. */
export function prefersTapPlanes(spec: Correlation, order: WeightOrder): boolean {
  const rows = productRows(spec, order);
  // The taps of a forward pass's row lie together if there is only one row.
  const isOrdered = order.adjoint !== undefined || spec.rows === 1;
  return (
    isOrdered &&
    spec.stride === 1 &&
    spec.rows <= MOST_ROWS &&
    rows > spec.rows &&
    rows <= Math.min(MOST_PRODUCT_ROWS, spec.channels) &&
    resultLength(productOf(spec, order)) <= MOST_PARTIAL
  );
}

/** Inputs: image, weights, bias (only if there is one). Output: y. */
export function tapPlanesPlan(spec: Correlation, order: WeightOrder, cut?: number): Plan {
  const product = productOf(spec, order);
  const { kernel, splits, ...packing } = narrowCorrelation(product, cut);
  // Weights [k][row] as they stand.
  const weights: PackedWeights = {
    ...product,
    ...packing,
    kernelHeight: 1,
    kernelWidth: 1,
    adjoint: { stride: 1, phases: [0] },
  };
  const bias: Operand = { input: spec.bias ? 2 : 1 };
  const packed = { temporary: 0 };
  const partial = { temporary: 1 };
  return {
    temporaries: [packedLength(weights), splits * resultLength(product)],
    steps: [
      { kernel: packWeights(weights), operands: [{ input: 1 }, packed], dependsOnlyOn: 1 },
      { kernel, operands: [{ input: 0 }, packed, { input: 1 }, partial] },
      { kernel: addTaps(spec, order, splits), operands: [partial, bias, { output: 0 }] },
    ],
  };
}

/** Bindings: product, bias (any storage if there is none), y, sizes. An invocation makes one pixel. */
function addTaps(spec: Correlation, order: WeightOrder, splits: number): Kernel {
  const { kernelHeight, kernelWidth, adjoint } = order;
  const taps = kernelHeight * kernelWidth;
  const { mode, parities } = spec;
  const length = resultLength(spec);
  // Row or column of the kernel that tap 0 of a parity is; data gradients meet them backwards.
  const firstOf = (parity: number, tapsAlong: number): number =>
    adjoint ? adjoint.phases[parity] + adjoint.stride * (tapsAlong - 1) : 0;
  return {
    key: `gpu.tapplanes.${mode}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: linearWorkgroups(length),
    constants: [
      length,
      splits,
      resultLength(productOf(spec, order)),
      spec.rows,
      spec.outHeight,
      spec.outWidth,
      spec.height,
      spec.width,
      taps,
      kernelWidth,
      spec.tapsY,
      spec.tapsX,
      adjoint ? -adjoint.stride >>> 0 : 1,
      parities.length,
      spec.bias ? 1 : 0,
      epilogueCode(spec.activation),
      floatBits(epilogueSlope(spec.activation)),
      spec.accumulate ? 1 : 0,
      ...parities.flatMap(({ originY, firstY, originX, firstX }, parity) => [
        originY >>> 0,
        firstY,
        firstOf(parity, spec.tapsY),
        0,
        originX >>> 0,
        firstX,
        firstOf(parity, spec.tapsX),
        0,
      ]),
    ],
    code: () => wgsl`
struct Axis { origin: i32, first: u32, kernel: i32, none: u32 }
struct Sizes {
  length: u32, splits: u32, splitPitch: u32, rows: u32, outHeight: u32, outWidth: u32,
  height: i32, width: i32, taps: u32, kernelWidth: i32, tapsY: u32, tapsX: u32, kernelStep: i32,
  parities: u32, biased: u32, activation: u32, slope: u32, accumulate: u32,
  // Along y and along x for each parity.
  axes: array<Axis>,
}
@group(0) @binding(0) var<storage, read> product: array<f32>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${EPILOGUE_ACTIVATION}
${sourceFunction(mode)}

${linearMain('sizes.length')}
  let height = sizes.height;
  let width = sizes.width;
${MIRRORS}
  let outX = index % sizes.outWidth;
  let outY = index / sizes.outWidth % sizes.outHeight;
  let plane = index / (sizes.outWidth * sizes.outHeight);
  let axisY = sizes.axes[2u * (outY % sizes.parities)];
  let axisX = sizes.axes[2u * (outX % sizes.parities) + 1u];
  let top = i32(outY / sizes.parities) + axisY.origin;
  let left = i32(outX / sizes.parities) + axisX.origin;
  var sum = 0.0;
  for (var t = axisY.first; t < sizes.tapsY; t++) {
    let y = source(top + i32(t), mirrorY);
    let ky = axisY.kernel + sizes.kernelStep * i32(t);
    for (var u = axisX.first; u < sizes.tapsX; u++) {
      let x = source(left + i32(u), mirrorX);
      let kx = axisX.kernel + sizes.kernelStep * i32(u);
      if (!(${INSIDE})) { continue; }
      var at = (plane * sizes.taps + u32(ky * sizes.kernelWidth + kx)) * u32(height * width);
      at += u32(y * width + x);
      for (var split = 0u; split < sizes.splits; split++) {
        sum += product[at];
        at += sizes.splitPitch;
      }
    }
  }
  if (sizes.biased != 0u) { sum += bias[plane % sizes.rows]; }
  var total = activate(vec4f(sum), sizes.activation, bitcast<f32>(sizes.slope)).x;
  if (sizes.accumulate != 0u) { total += result[index]; }
  result[index] = total;
}
`,
  };
}
