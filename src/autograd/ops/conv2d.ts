import { type Activation, NONE } from '../../../kernels/activation.ts';
import {
  type ConvGeometry,
  convExtent,
  type PaddingMode,
} from '../../../kernels/conv2d/geometry.ts';
import type { ElementType } from '../../../kernels/element-types.ts';
import { ShapeError } from '../../errors.ts';
import type { Backward } from '../graph.ts';
import { attach } from '../tape.ts';
import { formatShape, type Tensor } from '../tensor.ts';
import { requireActivation, requireImage } from './check.ts';
import { beforeActivation, runForward } from './convolution-plans.ts';

export interface Conv2dOptions {
  /** Step along both axes; default 1. */
  readonly stride?: number | undefined;
  /** Pixels added on each side; default 0. */
  readonly padding?: number | undefined;
  /** What is added: zeros (default), or the image reflected about its border pixels. */
  readonly paddingMode?: PaddingMode | undefined;
  /** Applied to the result in the same pass; default none. */
  readonly activation?: Activation | undefined;
  /** How the result is stored; default as x is. */
  readonly elementType?: ElementType | undefined;
}

/**
 * y[n,o,oy,ox] = f(bias[o] + Σ_{c,ky,kx} weight[o,c,ky,kx]·x̄[n,c, s·oy+ky, s·ox+kx]), where x̄ is x
 * extended by `padding` on each side: `torch.nn.functional.conv2d` with an activation.
 * @param x [N,C,H,W]
 * @param weight [O,C,KH,KW]
 * @param bias [O]
 * @returns [N,O,OH,OW], OH = ⌊(H + 2·padding - KH)/stride⌋ + 1
 * @throws ShapeError if shapes do not fit, the kernel is larger than the padded image, or reflection
 *   would reach past the image (padding ≥ H or W); UsageError for a slope as `leakyRelu`
 */
export function conv2d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  options: Conv2dOptions = {},
): Tensor {
  const { activation = NONE, elementType = x.elementType } = options;
  requireActivation('conv2d', activation);
  const { geometry, shape } = conv2dGeometry(x, weight, bias, options);
  const y = runForward(geometry, { shape, elementType }, x, weight, bias, activation);
  const gradients: Backward = (cotangent, _wanted, gated) => {
    const dy = beforeActivation(gated ? NONE : activation, cotangent, y);
    return [
      (target, gate, training) => training.inputGradient(geometry, x, dy(), weight, target, gate),
      (target, _gate, training) => training.weightGradient(geometry, weight.shape, x, dy(), target),
      (target, _gate, training) => training.biasGradient(dy(), target),
    ];
  };
  return attach(y, 'conv2d', bias ? [x, weight, bias] : [x, weight], gradients, activation);
}

/** Sizes of a convolution and its output's shape. @throws ShapeError as `conv2d` */
export function conv2dGeometry(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  options: Conv2dOptions,
): { geometry: ConvGeometry; shape: number[] } {
  const { batch, channels, height, width } = requireImage('conv2d', x);
  const { stride = 1, padding = 0, paddingMode = 'zeros' } = options;
  requireSteps('conv2d', stride, padding);
  if (weight.shape.length !== 4 || weight.shape[1] !== channels || weight.size === 0) {
    throw new ShapeError(
      `conv2d of an input ${formatShape(x.shape)} needs weights [O,${channels},KH,KW], found ${formatShape(weight.shape)}`,
    );
  }
  const [outChannels, , kernelHeight, kernelWidth] = weight.shape;
  requireBias('conv2d', bias, outChannels);
  if (paddingMode === 'reflect' && (padding >= height || padding >= width)) {
    throw new ShapeError(
      `conv2d: reflect padding of ${padding} needs images larger than that, found ${formatShape(x.shape)}`,
    );
  }
  const outHeight = convExtent(height, kernelHeight, stride, padding);
  const outWidth = convExtent(width, kernelWidth, stride, padding);
  if (outHeight < 1 || outWidth < 1) {
    throw new ShapeError(
      `conv2d: a kernel ${kernelHeight}×${kernelWidth} does not fit into an input ${formatShape(x.shape)} with padding ${padding}`,
    );
  }
  const geometry: ConvGeometry = {
    batch,
    inChannels: channels,
    height,
    width,
    outChannels,
    kernelHeight,
    kernelWidth,
    stride,
    padding,
    paddingMode,
  };
  return { geometry, shape: [batch, outChannels, outHeight, outWidth] };
}

/** @throws ShapeError unless stride is a positive and padding a non-negative whole number. */
export function requireSteps(op: string, stride: number, padding: number): void {
  if (!Number.isInteger(stride) || stride < 1) {
    throw new ShapeError(`${op}: stride must be a positive whole number, found ${stride}`);
  }
  if (!Number.isInteger(padding) || padding < 0) {
    throw new ShapeError(`${op}: padding must be a whole number from 0, found ${padding}`);
  }
}

/** @throws ShapeError unless `bias` is absent or has one element per output channel. */
export function requireBias(op: string, bias: Tensor | undefined, channels: number): void {
  if (bias && (bias.shape.length !== 1 || bias.shape[0] !== channels)) {
    throw new ShapeError(
      `${op} with ${channels} output channels needs a bias [${channels}], found ${formatShape(bias.shape)}`,
    );
  }
}
