import { NONE } from '../../kernels/activation.ts';
import { type ConvGeometry, outHeight, outWidth } from '../../kernels/conv2d/geometry.ts';
import {
  type ConvolutionAttributes,
  conv2dBackwardReference,
  conv2dForwardReference,
} from '../../src/autograd/reference/conv2d.ts';
import { type HostArray, hostArray } from '../../src/autograd/registry/row.ts';
import { Comparator, type Comparison, spreadOut, sumTolerance } from './kernel-case.ts';

/*
 * The f64 reference of whole layers would take minutes, so planes are sampled. A plane of the output
 * of a convolution is the convolution of one image with one filter; a plane of the data gradient
 * depends on one image and the weights of one input channel; a filter's gradient for one channel pair
 * on one channel of the input and one of the cotangent. So the reference runs on slices, and every
 * sampled plane is compared whole, borders included.
 */

/** Products that a check may cost, roughly. */
const BUDGET = 8e6;

function attributesOf(g: ConvGeometry): ConvolutionAttributes {
  const { stride, padding, paddingMode } = g;
  return { stride, padding, paddingMode, outputPadding: 0, activation: NONE };
}

/** How many planes of so many products fit into the budget. */
function affordable(products: number): number {
  return Math.max(1, Math.min(24, Math.floor(BUDGET / products)));
}

/** The channels [first, first+1) of every image of `[N,C,pixels]`, or all channels of one image. */
function slice(
  data: Float32Array,
  [batch, channels, height, width]: readonly [number, number, number, number],
  pick: { readonly image?: number; readonly channel?: number },
): HostArray {
  const pixels = height * width;
  const images = pick.image === undefined ? spreadOut(batch, batch) : [pick.image];
  const planes = pick.channel === undefined ? spreadOut(channels, channels) : [pick.channel];
  const result = hostArray([images.length, planes.length, height, width]);
  let at = 0;
  for (const n of images) {
    for (const c of planes) {
      const start = (n * channels + c) * pixels;
      result.data.set(data.subarray(start, start + pixels), at);
      at += pixels;
    }
  }
  return result;
}

/** y `[N,O,OH,OW]` against sampled planes. */
export function checkForward(
  g: ConvGeometry,
  x: Float32Array,
  w: Float32Array,
  y: Float32Array,
): Comparison {
  const { batch, inChannels, outChannels, kernelHeight, kernelWidth } = g;
  const pixels = outHeight(g) * outWidth(g);
  const terms = inChannels * kernelHeight * kernelWidth;
  const comparator = new Comparator();
  for (const plane of spreadOut(batch * outChannels, affordable(terms * pixels))) {
    const [image, channel] = [Math.floor(plane / outChannels), plane % outChannels];
    const input = slice(x, [batch, inChannels, g.height, g.width], { image });
    const filter = slice(w, [outChannels, inChannels, kernelHeight, kernelWidth], {
      image: channel,
    });
    const { data } = conv2dForwardReference([input, filter], attributesOf(g));
    comparator.add(y, plane * pixels, data);
  }
  return comparator.result(sumTolerance(terms));
}

/** dx `[N,C,H,W]` against sampled planes. */
export function checkDataGradient(
  g: ConvGeometry,
  dy: Float32Array,
  w: Float32Array,
  dx: Float32Array,
): Comparison {
  const { batch, inChannels, outChannels, kernelHeight, kernelWidth } = g;
  const [rows, columns] = [outHeight(g), outWidth(g)];
  const products = outChannels * kernelHeight * kernelWidth * rows * columns;
  const pixels = g.height * g.width;
  const comparator = new Comparator();
  // The reference goes over the products twice, forward and backward.
  for (const plane of spreadOut(batch * inChannels, affordable(2 * products))) {
    const [image, channel] = [Math.floor(plane / inChannels), plane % inChannels];
    const cotangent = slice(dy, [batch, outChannels, rows, columns], { image });
    const filter = slice(w, [outChannels, inChannels, kernelHeight, kernelWidth], { channel });
    const input = hostArray([1, 1, g.height, g.width]);
    const [expected] = conv2dBackwardReference([input, filter], attributesOf(g), cotangent);
    comparator.add(dx, plane * pixels, expected.data);
  }
  const taps = (kernelHeight * kernelWidth) / g.stride ** 2;
  return comparator.result(sumTolerance(outChannels * taps));
}

/** dw `[O,C,KH,KW]` against sampled filters. */
export function checkWeightGradient(
  g: ConvGeometry,
  x: Float32Array,
  dy: Float32Array,
  dw: Float32Array,
): Comparison {
  const { batch, inChannels, outChannels, kernelHeight, kernelWidth } = g;
  const [rows, columns] = [outHeight(g), outWidth(g)];
  const taps = kernelHeight * kernelWidth;
  const terms = batch * rows * columns;
  const comparator = new Comparator();
  for (const pair of spreadOut(outChannels * inChannels, affordable(2 * terms * taps))) {
    const [out, channel] = [Math.floor(pair / inChannels), pair % inChannels];
    const input = slice(x, [batch, inChannels, g.height, g.width], { channel });
    const cotangent = slice(dy, [batch, outChannels, rows, columns], { channel: out });
    const filter = hostArray([1, 1, kernelHeight, kernelWidth]);
    const [, expected] = conv2dBackwardReference([input, filter], attributesOf(g), cotangent);
    comparator.add(dw, pair * taps, expected.data);
  }
  return comparator.result(sumTolerance(terms));
}
