import type { ConvolutionRequest } from './convolution-request.ts';
import { outHeight, outWidth } from './geometry.ts';

/*
 * Convolutions that are so alike that one choice of kernel serves them: the same pass, taps, stride and
 * padding, and sizes that round to the same powers of two.
 */

/** Few channels are told apart, as tiles differ there; more are rounded. */
const EXACT = 4;

function rounded(size: number): number {
  return size <= EXACT ? size : 2 ** Math.round(Math.log2(size));
}

/** ` f16>f16`: how x and y are stored; nothing where both are f32. */
export function typesKey({ elementTypes }: ConvolutionRequest): string {
  const text = elementTypes?.join('>');
  return text?.includes('16') ? ` ${text}` : '';
}

/**
 * The class of a request, as text for people and caches: `forward 3x3s1p1 64>128 @4096 w32` is 4096 output
 * pixels over all images, in rows of 32. `|4` ends classes whose channels are multiples of 4, ` f16>f32` those
 * that store x as f16 and y as f32. What is
 * done with the result (bias, activation, adding, slices) makes no class.
 */
export function shapeClass(request: ConvolutionRequest): string {
  const { pass, geometry: g, isFrozen } = request;
  const { kernelHeight, kernelWidth, stride, padding, inChannels, outChannels } = g;
  const reflects = g.paddingMode === 'reflect' && padding > 0 ? 'r' : '';
  const window = `${kernelHeight}x${kernelWidth}s${stride}p${padding}${reflects}`;
  const width = outWidth(g);
  const pixels = rounded(g.batch * outHeight(g) * width);
  const quads = inChannels % 4 === 0 && outChannels % 4 === 0 ? '|4' : '';
  return `${pass} ${window} ${rounded(inChannels)}>${rounded(outChannels)} @${pixels} w${rounded(width)}${quads}${isFrozen ? ' frozen' : ''}${typesKey(request)}`;
}
