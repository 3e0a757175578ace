import { NO_EPILOGUE } from '../../../kernels/conv2d/epilogue.ts';
import { geometryKey, outHeight, outWidth } from '../../../kernels/conv2d/geometry.ts';
import { type ConvolutionRequest, convolutionVariants } from '../../../kernels/conv2d/variants.ts';
import type { AdapterProfile } from '../../../kernels/kernel.ts';
import type { Contest, ContestInput } from '../../gpu/tuning/contest.ts';
import { CONVOLUTION_TOLERANCE, WINOGRAD_SLACK } from '../convolution-tolerance.ts';

/**
 * What to measure for a request of a shape class: the request without what follows the sum (bias, activation,
 * slices, adding), between the bounds that the registry sets for sums of that length.
 */
export function contestOf(
  shapeClass: string,
  request: ConvolutionRequest,
  uses: number,
  profile: AdapterProfile,
): Contest {
  const { pass, geometry: g, isFrozen, weightGradients, tapChannels } = request;
  const epilogue = NO_EPILOGUE;
  const ways = { weightGradients, tapChannels };
  const plain: ConvolutionRequest = { pass, geometry: g, epilogue, isFrozen, ...ways };
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
  const scaled = (length: number): ContestInput => ({
    length,
    scale: terms ** -0.5,
    isConstant: length === w && (isFrozen ?? false),
  });
  const plainInput = (length: number): ContestInput => ({ length, scale: 1 });
  const operands = {
    forward: { inputs: [plainInput(x), scaled(w)], output: y },
    'data-gradient': { inputs: [plainInput(y), scaled(w)], output: x },
    'weight-gradient': { inputs: [plainInput(x), scaled(y)], output: w },
  }[pass];
  const bound = Math.sqrt(WINOGRAD_SLACK * terms);
  return {
    shapeClass,
    sizes: geometryKey(g),
    variants: convolutionVariants(plain, profile),
    ...operands,
    tolerance: {
      absolute: CONVOLUTION_TOLERANCE.atol * bound,
      relative: CONVOLUTION_TOLERANCE.rtol * bound,
    },
    operations: 2 * y * g.inChannels * taps,
    uses,
  };
}
