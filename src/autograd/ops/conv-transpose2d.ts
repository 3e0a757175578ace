import type { Activation } from '../../../kernels/activation.ts';
import type { ConvGeometry } from '../../../kernels/conv2d/geometry.ts';
import type { ElementType } from '../../../kernels/element-types.ts';
import { ShapeError } from '../../errors.ts';
import { attach } from '../tape.ts';
import { formatShape, type Tensor } from '../tensor.ts';
import { requireActivation, requireImage } from './check.ts';
import { requireBias, requireSteps } from './conv2d.ts';
import { beforeActivation, runDataGradient, runForward } from './convolution-plans.ts';

export interface ConvTranspose2dOptions {
  /** Step along both axes; default 1. */
  readonly stride?: number | undefined;
  /** Pixels cut off on each side; default 0. */
  readonly padding?: number | undefined;
  /** Pixels added at the bottom and right, below `stride`; default 0. */
  readonly outputPadding?: number | undefined;
  /** Applied to the result in the same pass; default none. */
  readonly activation?: Activation | undefined;
  /** How the result is stored; default as x is. */
  readonly elementType?: ElementType | undefined;
}

/**
 * y = f(bias + adjoint of conv2d with the same weight, stride and padding, applied to x):
 * `torch.nn.functional.conv_transpose2d` with an activation.
 * @param x [N,I,H,W]
 * @param weight [I,O,KH,KW]
 * @param bias [O]
 * @returns [N,O,OH,OW], OH = (H-1)·stride - 2·padding + KH + outputPadding
 * @throws ShapeError if shapes do not fit, outputPadding ≥ stride, or nothing is left of the output; UsageError for
 *   a slope as `leakyRelu`
 */
export function convTranspose2d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  options: ConvTranspose2dOptions = {},
): Tensor {
  const { activation = { kind: 'none' }, elementType = x.elementType } = options;
  requireActivation('convTranspose2d', activation);
  const geometry = transposedGeometry(x, weight, bias, options);
  const shape = [geometry.batch, geometry.inChannels, geometry.height, geometry.width];
  const y = runDataGradient(geometry, { shape, elementType }, x, weight, bias, activation);
  return attach(y, 'convTranspose2d', bias ? [x, weight, bias] : [x, weight], (cotangent) => {
    const dy = beforeActivation(activation, cotangent, y);
    return [
      () => runForward(geometry, x, dy(), weight),
      (target, _gate, training) => training.weightGradient(geometry, weight.shape, dy(), x, target),
      (target, _gate, training) => training.biasGradient(dy(), target),
    ];
  });
}

/** The convolution of which this is the adjoint: its input is our output. */
function transposedGeometry(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  options: ConvTranspose2dOptions,
): ConvGeometry {
  const { batch, channels, height, width } = requireImage('convTranspose2d', x);
  const { stride = 1, padding = 0, outputPadding = 0 } = options;
  requireSteps('convTranspose2d', stride, padding);
  if (weight.shape.length !== 4 || weight.shape[0] !== channels || weight.size === 0) {
    throw new ShapeError(
      `convTranspose2d of an input ${formatShape(x.shape)} needs weights [${channels},O,KH,KW], found ${formatShape(weight.shape)}`,
    );
  }
  const [, outChannels, kernelHeight, kernelWidth] = weight.shape;
  requireBias('convTranspose2d', bias, outChannels);
  if (!Number.isInteger(outputPadding) || outputPadding < 0 || outputPadding >= stride) {
    throw new ShapeError(
      `convTranspose2d: outputPadding must be a whole number from 0, below the stride of ${stride}, found ${outputPadding}`,
    );
  }
  const outHeight = (height - 1) * stride - 2 * padding + kernelHeight + outputPadding;
  const outWidth = (width - 1) * stride - 2 * padding + kernelWidth + outputPadding;
  if (outHeight < 1 || outWidth < 1) {
    throw new ShapeError(
      `convTranspose2d: nothing is left of an input ${formatShape(x.shape)} with a kernel ${kernelHeight}×${kernelWidth} and padding ${padding}`,
    );
  }
  return {
    batch,
    inChannels: outChannels,
    height: outHeight,
    width: outWidth,
    outChannels: channels,
    kernelHeight,
    kernelWidth,
    stride,
    padding,
    paddingMode: 'zeros',
  };
}
