import type { Activation } from '../../../kernels/activation.ts';
import { convExtent } from '../../../kernels/conv2d/geometry.ts';
import { CONVOLUTION_TOLERANCE, WINOGRAD_SLACK } from '../convolution-tolerance.ts';
import { convTranspose2d } from '../ops/conv-transpose2d.ts';
import { conv2d } from '../ops/conv2d.ts';
import type { RandomStream } from '../philox.ts';
import {
  type ConvolutionAttributes,
  conv2dBackwardReference,
  conv2dForwardReference,
  convTranspose2dBackwardReference,
  convTranspose2dForwardReference,
} from '../reference/conv2d.ts';
import { CONV2D_BRANCHES_OP } from './conv2d-branches.ts';
import { type AnyOpRow, opRow, randomArray, type Sample } from './row.ts';

/** Sizes of one sample: image N,C,H,W; kernel O,KH,KW; then what is not the default. */
export type ConvolutionCase = {
  readonly image: readonly [number, number, number, number];
  readonly kernel: readonly [number, number, number];
  readonly bias?: boolean;
  /** Large enough for kernels that take work in bulk, and too large for finite differences. */
  readonly isLarge?: boolean;
} & Partial<ConvolutionAttributes>;

const RELU: Activation = { kind: 'relu' };
const LEAKY: Activation = { kind: 'leaky_relu', slope: 0.2 };
const TANH: Activation = { kind: 'tanh' };
const SIGMOID: Activation = { kind: 'sigmoid' };

const CONV: readonly ConvolutionCase[] = [
  // U-Net and PatchGAN: 4×4.
  { image: [2, 1, 8, 8], kernel: [16, 4, 4], stride: 2, padding: 1, bias: true },
  { image: [1, 3, 16, 16], kernel: [8, 4, 4], stride: 2, padding: 1, activation: LEAKY },
  { image: [2, 20, 6, 10], kernel: [19, 4, 4], stride: 2, padding: 1, bias: true },
  { image: [3, 17, 2, 2], kernel: [33, 4, 4], stride: 2, padding: 1 },
  { image: [1, 5, 7, 9], kernel: [6, 4, 4], stride: 2, padding: 1, paddingMode: 'reflect' },
  {
    image: [2, 8, 6, 5],
    kernel: [3, 4, 4],
    padding: 1,
    paddingMode: 'reflect',
    bias: true,
    activation: LEAKY,
  },
  { image: [1, 24, 9, 8], kernel: [1, 4, 4], padding: 1, paddingMode: 'reflect', bias: true },
  // Few pixels and many weights: the innermost layers of a U-Net.
  { image: [1, 16, 2, 2], kernel: [24, 4, 4], stride: 2, padding: 1, bias: true },
  { image: [2, 20, 4, 6], kernel: [19, 4, 4], stride: 2, padding: 1, activation: LEAKY },
  { image: [1, 32, 4, 4], kernel: [9, 3, 3], padding: 1, paddingMode: 'reflect', bias: true },
  { image: [2, 36, 2, 3], kernel: [8, 2, 2], stride: 2, padding: 1 },
  // VGG, SqueezeNet, ResNet: 3×3, 1×1, 7×7.
  { image: [1, 3, 9, 9], kernel: [16, 3, 3], padding: 1, bias: true, activation: RELU },
  { image: [2, 16, 8, 12], kernel: [16, 3, 3], padding: 1 },
  { image: [1, 3, 15, 14], kernel: [32, 3, 3], stride: 2, bias: true, activation: RELU },
  { image: [2, 6, 5, 7], kernel: [9, 3, 3], stride: 2, padding: 1 },
  { image: [1, 4, 3, 3], kernel: [5, 3, 3], padding: 2, paddingMode: 'reflect' },
  { image: [2, 12, 7, 7], kernel: [40, 1, 1], bias: true, activation: RELU },
  { image: [1, 7, 4, 6], kernel: [3, 1, 1], activation: SIGMOID },
  { image: [1, 8, 5, 5], kernel: [4, 1, 1], stride: 2 },
  { image: [1, 2, 9, 11], kernel: [3, 7, 7], padding: 3, paddingMode: 'reflect', activation: TANH },
  { image: [1, 3, 23, 23], kernel: [4, 11, 11], stride: 4, padding: 2 },
  { image: [1, 4, 6, 6], kernel: [6, 5, 5], padding: 2, bias: true },
  // One-pixel maps, kernels larger than the image, uneven strides, kernels that are not square.
  { image: [2, 5, 1, 1], kernel: [3, 1, 1], bias: true },
  { image: [2, 3, 1, 1], kernel: [4, 3, 3], padding: 1 },
  { image: [1, 2, 3, 2], kernel: [2, 7, 7], padding: 3, bias: true },
  { image: [1, 2, 8, 10], kernel: [5, 3, 2], stride: 3, padding: 1 },
  { image: [1, 3, 6, 7], kernel: [2, 1, 5], padding: 2 },
  { image: [1, 2, 7, 6], kernel: [3, 2, 2], stride: 5, padding: 1 },
  { image: [1, 1, 4, 20], kernel: [1, 3, 3], padding: 4 },
  // Enough channels and pixels for Winograd's minimal filtering.
  { image: [1, 64, 32, 32], kernel: [32, 3, 3], padding: 1, bias: true, isLarge: true },
  {
    image: [2, 48, 21, 27],
    kernel: [40, 3, 3],
    padding: 1,
    paddingMode: 'reflect',
    activation: RELU,
    isLarge: true,
  },
  { image: [1, 32, 38, 34], kernel: [64, 3, 3], bias: true, activation: LEAKY, isLarge: true },
  // Onto one channel, or two, with enough others for taps to be taken as rows.
  {
    image: [1, 64, 21, 20],
    kernel: [1, 4, 4],
    padding: 1,
    paddingMode: 'reflect',
    bias: true,
    isLarge: true,
  },
  { image: [2, 52, 17, 15], kernel: [1, 4, 4], padding: 1, activation: TANH, isLarge: true },
  {
    image: [1, 2, 40, 44],
    kernel: [64, 4, 4],
    stride: 2,
    padding: 1,
    paddingMode: 'reflect',
    isLarge: true,
  },
];

const TRANSPOSED: readonly ConvolutionCase[] = [
  { image: [2, 16, 4, 4], kernel: [8, 4, 4], stride: 2, padding: 1, bias: true },
  { image: [1, 20, 5, 3], kernel: [1, 4, 4], stride: 2, padding: 1, bias: true, activation: TANH },
  { image: [3, 6, 1, 1], kernel: [18, 4, 4], stride: 2, padding: 1 },
  { image: [2, 16, 1, 1], kernel: [24, 4, 4], stride: 2, padding: 1, bias: true },
  { image: [4, 33, 2, 2], kernel: [8, 4, 4], stride: 2, padding: 1, activation: RELU },
  { image: [1, 16, 3, 4], kernel: [16, 3, 3], stride: 2, padding: 1, outputPadding: 1, bias: true },
  { image: [2, 3, 2, 2], kernel: [3, 4, 4], stride: 2, padding: 1, activation: RELU },
  { image: [1, 4, 5, 7], kernel: [6, 3, 3], stride: 2, padding: 1, outputPadding: 1, bias: true },
  { image: [1, 2, 4, 3], kernel: [5, 3, 3], stride: 2, padding: 0, activation: LEAKY },
  { image: [1, 4, 5, 6], kernel: [2, 3, 3], padding: 1 },
  { image: [1, 9, 3, 4], kernel: [4, 1, 1], bias: true },
  { image: [1, 2, 3, 4], kernel: [3, 2, 5], stride: 3, padding: 1, outputPadding: 2 },
  {
    image: [1, 64, 20, 21],
    kernel: [1, 4, 4],
    stride: 2,
    padding: 1,
    bias: true,
    activation: TANH,
    isLarge: true,
  },
];

function sample(
  random: RandomStream,
  { image, kernel, bias, isLarge = false, ...given }: ConvolutionCase,
  isTransposed: boolean,
): Sample<ConvolutionAttributes> {
  const attributes: ConvolutionAttributes = {
    stride: 1,
    padding: 0,
    paddingMode: 'zeros',
    outputPadding: 0,
    activation: { kind: 'none' },
    ...given,
  };
  const channels = image[1];
  const [outChannels, kernelHeight, kernelWidth] = kernel;
  const shape = isTransposed
    ? [channels, outChannels, kernelHeight, kernelWidth]
    : [outChannels, channels, kernelHeight, kernelWidth];
  const taps = channels * kernelHeight * kernelWidth;
  const inputs = [randomArray(random, image), randomArray(random, shape, taps ** -0.5)];
  if (bias) inputs.push(randomArray(random, [outChannels]));
  const { stride, padding, paddingMode, activation } = attributes;
  const slack = isLarge ? WINOGRAD_SLACK : 1;
  // Wide padding makes more outputs than the image has pixels.
  const pixels =
    Math.max(image[2] * stride, convExtent(image[2], kernelHeight, stride, padding)) *
    Math.max(image[3] * stride, convExtent(image[3], kernelWidth, stride, padding));
  return {
    label: `${image.join('x')} by ${shape.join('x')}, stride ${stride}, padding ${padding} ${paddingMode}, ${activation.kind}`,
    inputs,
    attributes,
    skipGradcheck: isLarge,
    reduction: {
      forward: slack * taps,
      backward: slack * (image[0] * pixels + taps),
    },
  };
}

/** The two ops with samples of given sizes; images of a transposed convolution are its input. */
export function convolutionRows(
  convolutions: readonly ConvolutionCase[],
  transposed: readonly ConvolutionCase[],
): readonly AnyOpRow[] {
  return [
    opRow<ConvolutionAttributes>({
      name: 'conv2d',
      formula: 'y[o,q] = f(b[o] + Σ_{c,k} w[o,c,k]·x̄[c,s·q+k])',
      samples: (random) => convolutions.map((each) => sample(random, each, false)),
      run: ([x, weight, bias], attributes) => conv2d(x, weight, bias, attributes),
      forward: conv2dForwardReference,
      backward: conv2dBackwardReference,
      halves: [0],
      tolerance: { forward: CONVOLUTION_TOLERANCE, backward: CONVOLUTION_TOLERANCE },
    }),
    opRow<ConvolutionAttributes>({
      name: 'convTranspose2d',
      formula: 'y[o,s·q+k-p] = f(b[o] + Σ_{i,q,k} w[i,o,k]·x[i,q])',
      samples: (random) => transposed.map((each) => sample(random, each, true)),
      run: ([x, weight, bias], attributes) => convTranspose2d(x, weight, bias, attributes),
      forward: convTranspose2dForwardReference,
      backward: convTranspose2dBackwardReference,
      halves: [0],
      tolerance: { forward: CONVOLUTION_TOLERANCE, backward: CONVOLUTION_TOLERANCE },
    }),
  ];
}

export const CONVOLUTION_OPS: readonly AnyOpRow[] = [
  ...convolutionRows(CONV, TRANSPOSED),
  CONV2D_BRANCHES_OP,
];
