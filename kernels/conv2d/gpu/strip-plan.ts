import type { Plan } from '../../kernel.ts';
import { type ConvGeometry, outHeight, outWidth } from '../geometry.ts';
import { finishWeights, type PartialWeights } from './finish.ts';
import { hasStrips, type Mirrored, stripWeightGradient } from './weight-gradient-strips.ts';

/*
 * Weight gradients of few channels. With few input channels strips of dy meet the taps of the image
 * (`weight-gradient-strips.ts`); with few output channels and stride 1 the roles are exchanged: strips are of x, and
 * meet the taps of dy,
 *
 *   dw[o, c, ky, kx] = Σ_{n,y,x} x̄[n,c,y,x] · dy[n, o, y-ky, x-kx],
 *
 * so that each pixel of x is loaded once.
 */

/** Most channels of the image that is met by taps. */
const FEW_CHANNELS = 3;

/** The same sum with the roles of x and dy exchanged. */
interface Exchanged {
  readonly geometry: ConvGeometry;
  /** Of x, if it is padded by reflection: the sum goes over the margins too. */
  readonly mirrored: Mirrored | undefined;
}

function exchanged(g: ConvGeometry): Exchanged | undefined {
  const { outChannels, inChannels, kernelHeight, kernelWidth, padding, height, width } = g;
  const isSquare = kernelHeight === kernelWidth && kernelHeight > 1;
  const isFew = outChannels <= FEW_CHANNELS && inChannels >= 4 * outChannels;
  if (!isSquare || !isFew || g.stride !== 1) return undefined;
  const mirrors = g.paddingMode === 'reflect' && padding > 0;
  const most = kernelHeight - 1;
  if (!mirrors && padding > most) return undefined;
  return {
    geometry: {
      ...g,
      inChannels: outChannels,
      outChannels: inChannels,
      height: outHeight(g),
      width: outWidth(g),
      padding: mirrors ? most : most - padding,
      paddingMode: 'zeros',
    },
    mirrored: mirrors ? { height, width, margin: padding } : undefined,
  };
}

/** Inputs: x, dy. Output: dw. Undefined if channels are too many, or taps others than those of the kernel. */
export function stripPlan(g: ConvGeometry, accumulate: boolean, cut?: number): Plan | undefined {
  const swapped = exchanged(g);
  const geometry = swapped?.geometry ?? g;
  if (geometry.inChannels > FEW_CHANNELS || !hasStrips(geometry)) return undefined;
  const { kernel, parts } = stripWeightGradient(geometry, swapped?.mirrored, cut);
  const taps = g.kernelHeight * g.kernelWidth;
  const length = g.outChannels * g.inChannels * taps;
  const parted = { splits: parts, splitPitch: length };
  const weights: PartialWeights = swapped
    ? // dy meets the taps backwards.
      {
        ...parted,
        first: taps - 1,
        outPitch: taps,
        channelPitch: g.outChannels * taps,
        tapPitch: -1,
      }
    : { ...parted, first: 0, outPitch: g.inChannels * taps, channelPitch: taps, tapPitch: 1 };
  const [x, dy] = [{ input: 0 }, { input: 1 }];
  const partial = { temporary: 0 };
  return {
    temporaries: [parts * length],
    steps: [
      { kernel, operands: swapped ? [dy, x, partial] : [x, dy, partial] },
      { kernel: finishWeights(g, weights, accumulate), operands: [partial, { output: 0 }] },
    ],
  };
}
