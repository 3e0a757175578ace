import type { Activation } from '../../kernels/activation.ts';
import type { ElementType } from '../../kernels/element-types.ts';
import { convTranspose2d } from '../autograd/ops/conv-transpose2d.ts';
import { conv2d } from '../autograd/ops/conv2d.ts';
import { upsampleNearest } from '../autograd/ops/upsample-nearest.ts';
import type { Tensor } from '../autograd/tensor.ts';
import type { Initialiser } from './initialisers.ts';
import { declareConvolution } from './network.ts';
import type { ParameterDeclaration } from './parameter-set.ts';

/**
 * How a generator's decoder doubles an image's sides: `transposed` convolutions of stride 2, as
 * published, or `resize`, an enlarged image under a convolution of stride 1.
 */
export const UPSAMPLES = ['transposed', 'resize'] as const;
export type Upsample = (typeof UPSAMPLES)[number];

/** Side of the convolution behind a resize. */
const RESIZE_KERNEL = 3;

/** A layer that doubles the sides. */
export interface UpsampleLayer {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  /** Side of the transposed convolution's kernel. */
  readonly kernel: number;
  readonly bias: boolean;
  /** Whether instance norm follows, which takes the bias away again (`declareConvolution`). */
  readonly cancelled: boolean;
}

/**
 * Declares `name.weight` and `name.bias`: a transposed convolution's `[from,to,k,k]`, or a
 * convolution's `[to,from,3,3]`, each in PyTorch's layout.
 */
export function declareUpsample(
  kind: Upsample,
  { name, from, to, kernel, bias, cancelled }: UpsampleLayer,
  initialise: Initialiser,
): ParameterDeclaration[] {
  const shape =
    kind === 'transposed'
      ? ([from, to, kernel, kernel] as const)
      : ([to, from, RESIZE_KERNEL, RESIZE_KERNEL] as const);
  return declareConvolution(name, shape, initialise, { bias, biasLength: to, cancelled });
}

export interface UpsampleOptions {
  /** Border of the convolution behind a resize; a transposed one has none. */
  readonly paddingMode: 'zeros' | 'reflect';
  /** Row and column added to a transposed convolution's output, where its kernel is odd. */
  readonly outputPadding?: number;
  readonly activation?: Activation;
  /** How the result is stored; default as x is. */
  readonly elementType?: ElementType | undefined;
}

/**
 * `[N,from,H,W]` to `[N,to,2H,2W]`.
 *
 * A transposed convolution covers neighbouring pixels by different taps of its kernel: with 3×3 by one,
 * two or four of them, with 4×4 by four that are learned apart. What they do not learn to even out is a
 * checkerboard of period 2. `resize` takes each pixel twice along both axes and convolves the result
 * 3×3 with padding 1, so that all taps cover every pixel, and where the image is flat the result is
 * flat (Odena, Dumoulin, Olah 2016, "Deconvolution and Checkerboard Artifacts"). Nearest, not bilinear:
 * both leave no checkerboard, but nearest keeps more fine texture (docs/results.md), and one tap a pixel
 * instead of four costs less both ways.
 */
export function upsample(
  kind: Upsample,
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  { paddingMode, outputPadding = 0, activation = { kind: 'none' }, elementType }: UpsampleOptions,
): Tensor {
  if (kind === 'transposed') {
    const options = { stride: 2, padding: 1, outputPadding, activation, elementType };
    return convTranspose2d(x, weight, bias, options);
  }
  const [, , height, width] = x.shape;
  const larger = upsampleNearest(x, { height: 2 * height, width: 2 * width });
  return conv2d(larger, weight, bias, { padding: 1, paddingMode, activation, elementType });
}
