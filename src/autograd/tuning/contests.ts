import type { ConvolutionRequest } from '../../../kernels/conv2d/convolution-request.ts';
import { NO_EPILOGUE } from '../../../kernels/conv2d/epilogue.ts';
import { geometryKey, outHeight, outWidth } from '../../../kernels/conv2d/geometry.ts';
import { convolutionVariants } from '../../../kernels/conv2d/variants.ts';
import type { ElementType } from '../../../kernels/element-types.ts';
import type { AdapterProfile } from '../../../kernels/kernel.ts';
import type { Contest, ContestInput } from '../../gpu/tuning/contest.ts';
import { CONVOLUTION_TOLERANCE, WINOGRAD_SLACK } from '../convolution-tolerance.ts';

/**
 * What to measure for a request of a shape class: the request without what follows the sum (bias, activation,
 * slices, adding), over the element types that will run, between the bounds that the registry sets for sums of
 * that length, and what rounding to f16 adds.
 */
export function contestOf(
  shapeClass: string,
  request: ConvolutionRequest,
  uses: number,
  profile: AdapterProfile,
): Contest {
  const { pass, geometry: g, isFrozen, elementTypes, gradients } = request;
  const [xType, yType] = elementTypes ?? ['f32', 'f32'];
  const epilogue = NO_EPILOGUE;
  const plain = { pass, geometry: g, epilogue, isFrozen, elementTypes, gradients };
  const pixels = g.batch * outHeight(g) * outWidth(g);
  const x = g.batch * g.inChannels * g.height * g.width;
  const y = pixels * g.outChannels;
  const taps = g.kernelHeight * g.kernelWidth;
  const w = g.outChannels * g.inChannels * taps;
  // Terms of a sum: with one operand scaled by the root of their number results are around 1.
  const terms = {
    forward: g.inChannels * taps,
    'data-gradient': g.outChannels * taps,
    'weight-gradient': pixels,
  }[pass];
  const scaled = (length: number, elementType: ElementType): ContestInput => ({
    length,
    elementType,
    scale: terms ** -0.5,
    isConstant: length === w && (isFrozen ?? false),
  });
  const unscaled = (length: number, elementType: ElementType): ContestInput => ({
    length,
    elementType,
    scale: 1,
  });
  const operands = {
    forward: { inputs: [unscaled(x, xType), scaled(w, 'f32')], output: y, outputType: yType },
    'data-gradient': {
      inputs: [unscaled(y, yType), scaled(w, 'f32')],
      output: x,
      outputType: xType,
    },
    'weight-gradient': {
      inputs: [unscaled(x, xType), scaled(y, yType)],
      output: w,
      outputType: 'f32' as const,
    },
  }[pass];
  // Two results that are each rounded; results are around 1, and weights may be rounded for tiles.
  const isRounded = operands.outputType === 'f16';
  const hasNarrowTiles = profile.kind === 'gpu' && (xType === 'f16' || yType === 'f16');

  const bound = Math.sqrt(WINOGRAD_SLACK * terms);
  return {
    shapeClass,
    sizes: geometryKey(g),
    variants: convolutionVariants(plain, profile),
    ...operands,
    tolerance: {
      absolute: CONVOLUTION_TOLERANCE.atol * bound + (hasNarrowTiles ? 2 ** -8 : 0),
      relative: CONVOLUTION_TOLERANCE.rtol * bound + (isRounded ? 2 ** -10 : 0),
    },
    operations: 2 * y * g.inChannels * taps,
    uses,
  };
}
