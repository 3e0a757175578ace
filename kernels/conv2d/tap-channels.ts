import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { AdapterProfile, Kernel, Operand, Plan } from '../kernel.ts';
import { linearMain, linearWorkgroups } from '../linear.ts';
import type { ConvolutionRequest, TapChannels } from './convolution-request.ts';
import { pointwiseCorrelation } from './correlation-spec.ts';
import { directPlan } from './direct.ts';
import {
  type ChannelSlice,
  type ConvGeometry,
  type ConvolutionPass,
  foldsMargins,
  outHeight,
  outWidth,
} from './geometry.ts';
import { directWeightGradient } from './weight-gradient.ts';

/*
 * Gradients of convolutions onto one channel, at stride 1: the last layer of a discriminator. There is one image
 * dy, and many channels of x and dx. Taps are taken as channels,
 *
 *   E[n,k,i] = Σ { dy[n,v-k] : v shows i }             k = (ky,kx),  v a pixel of the padded image
 *
 * where v shows i = v-p, and, in a margin made by reflection, the pixel that it was copied from. What is left
 * are gradients of a 1×1 convolution of KH·KW channels:
 *
 *   data      dx[n,c,i] = Σ_k w[0,c,k]·E[n,k,i]
 *   weights   dw[0,c,k] = Σ_{n,i} x[n,c,i]·E[n,k,i]
 *
 * The first stores many channels, each a sum of few products: storing dx takes the time, and folding back
 * the margins of a padded dx (`fold.ts`) would take as much again, whereas those of dy are small. The second would
 * load a window of x for every dozen products.
 */

/** Least rows, and products, for which the detour pays. */
const LEAST_ROWS = 32;
const LEAST_PRODUCTS = 4e5;

/** Whether these kernels can do a gradient of a convolution. */
function allows(pass: ConvolutionPass, g: ConvGeometry, profile: AdapterProfile): boolean {
  const taps = g.kernelHeight * g.kernelWidth;
  return (
    profile.kind === 'cpu' &&
    (pass === 'weight-gradient' || (pass === 'data-gradient' && foldsMargins(g))) &&
    g.outChannels === 1 &&
    g.stride === 1 &&
    taps > 1 &&
    taps % 4 === 0 &&
    g.inChannels >= LEAST_ROWS
  );
}

/** Whether they are taken for it where nothing was measured. */
function prefers(g: ConvGeometry): boolean {
  const taps = g.kernelHeight * g.kernelWidth;
  return taps * g.batch * g.inChannels * g.height * g.width >= LEAST_PRODUCTS;
}

/** Inputs: dy, w; output: dx. Or, of a weight gradient, inputs: x, dy; output: dw. */
function plan(
  { pass, geometry: g, slice, accumulate = false }: ConvolutionRequest,
  profile: AdapterProfile,
): Plan {
  const channels = g.kernelHeight * g.kernelWidth;
  const pixels = g.height * g.width;
  const isData = pass === 'data-gradient';
  const products = isData
    ? directPlan(
        pointwiseCorrelation({ batch: g.batch, channels, rows: g.inChannels, accumulate }, pixels),
        { kernelHeight: 1, kernelWidth: 1 },
        profile,
      )
    : directWeightGradient(
        tapGeometry({ ...g, height: 1, width: pixels, outChannels: channels }),
        accumulate,
        profile,
        true,
      );
  const images: Operand = { temporary: products.temporaries.length };
  const dy = isData ? 0 : 1;
  return {
    temporaries: [...products.temporaries, g.batch * channels * pixels],
    steps: [
      {
        kernel: shiftedImages(g, slice ?? { first: 0, channels: 1 }),
        operands: [{ input: dy }, images],
      },
      ...products.steps.map((step) => ({
        ...step,
        operands: step.operands.map((operand) =>
          'input' in operand && operand.input === dy ? images : operand,
        ),
      })),
    ],
  };
}

/** The convolution of x with 1×1 taps of which E is the output. */
function tapGeometry(sizes: ConvGeometry): ConvGeometry {
  return { ...sizes, kernelHeight: 1, kernelWidth: 1, padding: 0, paddingMode: 'zeros' };
}

/** E. Bindings: dy, E, sizes. An invocation makes four pixels of a row. */
function shiftedImages(g: ConvGeometry, slice: ChannelSlice): Kernel {
  const { batch, height, width, kernelHeight, kernelWidth, padding } = g;
  const taps = kernelHeight * kernelWidth;
  const quads = Math.ceil(width / 4);
  const count = batch * taps * height * quads;
  return {
    key: 'tap-channels',
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(count),
    constants: [
      ...[count, quads, height, width, taps, kernelWidth, padding, foldsMargins(g) ? padding : 0],
      ...[outHeight(g), outWidth(g), slice.channels, slice.first],
    ],
    code: () => wgsl`
struct Sizes {
  count: u32, quads: u32, height: i32, width: i32, taps: u32, kernelWidth: u32, padding: i32, margin: i32,
  outHeight: i32, outWidth: i32, channels: u32, first: u32,
}
@group(0) @binding(0) var<storage, read> cotangent: array<f32>;
@group(0) @binding(1) var<storage, read_write> images: array<f32>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;

fn pixel(plane: i32, y: i32, x: i32) -> f32 {
  let inside = u32(y) < u32(sizes.outHeight) && u32(x) < u32(sizes.outWidth);
  let row = clamp(y, 0, sizes.outHeight - 1) * sizes.outWidth;
  return select(0.0, cotangent[plane + row + clamp(x, 0, sizes.outWidth - 1)], inside);
}

// What row v - ky of dy has for pixel x and the tap kx.
fn shown(plane: i32, y: i32, x: i32, kx: i32) -> f32 {
  let p = sizes.padding;
  var sum = pixel(plane, y, x + p - kx);
  let end = sizes.width - 1;
  if (x >= 1 && x <= sizes.margin) { sum += pixel(plane, y, p - x - kx); }
  if (x < end && x >= end - sizes.margin) { sum += pixel(plane, y, p + 2 * end - x - kx); }
  return sum;
}

${linearMain('sizes.count')}
  let left = i32(index % sizes.quads) * 4;
  let line = index / sizes.quads;
  let y = i32(line % u32(sizes.height));
  let image = line / u32(sizes.height);
  let k = image % sizes.taps;
  let ky = i32(k / sizes.kernelWidth);
  let kx = i32(k % sizes.kernelWidth);
  let item = image / sizes.taps;
  let plane = i32(item * sizes.channels + sizes.first) * sizes.outHeight * sizes.outWidth;
  let p = sizes.padding;
  let end = min(left + 4, sizes.width);
  for (var x = left; x < end; x++) {
    var sum = shown(plane, y + p - ky, x, kx);
    let last = sizes.height - 1;
    if (y >= 1 && y <= sizes.margin) { sum += shown(plane, p - y - ky, x, kx); }
    if (y < last && y >= last - sizes.margin) { sum += shown(plane, p + 2 * last - y - ky, x, kx); }
    images[i32(line) * sizes.width + x] = sum;
  }
}
`,
  };
}

/** A way to make gradients: whoever asks for one brings it along. */
export const TAP_CHANNELS: TapChannels = { allows, prefers, plan };
