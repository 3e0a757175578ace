import type { ElementType } from '../element-types.ts';
import type { AdapterProfile, Plan } from '../kernel.ts';
import type { Epilogue } from './epilogue.ts';
import type { foldedPlan } from './fold.ts';
import type { foldedTaps } from './folded-taps.ts';
import type { ChannelSlice, ConvGeometry, ConvolutionPass } from './geometry.ts';
import type { gpuWeightGradient, weightGradientChoices } from './gpu/weight-gradient.ts';
import type { conv2dWeightGradient } from './weight-gradient.ts';

/** One pass of a convolution that a program asks for. */
export interface ConvolutionRequest {
  readonly pass: ConvolutionPass;
  readonly geometry: ConvGeometry;
  /** Of the forward pass and, as a transposed convolution, of the data gradient. */
  readonly epilogue: Epilogue;
  /** Channels of a larger tensor that y, or dy, is. */
  readonly slice?: ChannelSlice | undefined;
  /** Whether to add to what a gradient holds. */
  readonly accumulate?: boolean | undefined;
  /** Whether the weights never change, so that packing or transforming them is done once. */
  readonly isFrozen?: boolean | undefined;
  /** How x and y, or their cotangents, are stored; default f32. It makes no other variants, but other times. */
  readonly elementTypes?: readonly [x: ElementType, y: ElementType] | undefined;
  /**
   * What only training needs (`gradient-ways.ts`): whoever asks for a weight gradient, or for a data gradient of a
   * convolution, brings it along. A transposed convolution's forward pass does without.
   */
  readonly gradients?: GradientWays | undefined;
}

export interface GradientWays {
  /** The weight gradient's families. */
  readonly weights: {
    readonly registers: typeof conv2dWeightGradient;
    readonly tiles: typeof gpuWeightGradient;
    readonly tileChoices: typeof weightGradientChoices;
  };
  readonly tapChannels: TapChannels;
  /** Makes of the gradient of an image with its margins, made by reflection, that of the image. */
  readonly foldMargins: typeof foldedPlan;
  /** Makes the latter at once, where it can. */
  readonly foldedTaps: typeof foldedTaps;
}

/** A way to make gradients of convolutions onto one channel: `tap-channels.ts`. */
export interface TapChannels {
  /** Whether it can do a gradient of a convolution. */
  allows(pass: ConvolutionPass, geometry: ConvGeometry, profile: AdapterProfile): boolean;
  /** Whether it is taken where nothing was measured. */
  prefers(geometry: ConvGeometry): boolean;
  plan(request: ConvolutionRequest, profile: AdapterProfile): Plan;
}
