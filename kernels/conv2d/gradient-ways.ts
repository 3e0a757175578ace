import type { GradientWays } from './convolution-request.ts';
import { foldedPlan } from './fold.ts';
import { foldedTaps } from './folded-taps.ts';
import { gpuWeightGradient, weightGradientChoices } from './gpu/weight-gradient.ts';
import { TAP_CHANNELS } from './tap-channels.ts';
import { conv2dWeightGradient } from './weight-gradient.ts';

/** What gradients of convolutions are made with. Whoever asks for one names it; nobody else carries it. */
export const GRADIENT_WAYS: GradientWays = {
  weights: {
    registers: conv2dWeightGradient,
    tiles: gpuWeightGradient,
    tileChoices: weightGradientChoices,
  },
  tapChannels: TAP_CHANNELS,
  foldMargins: foldedPlan,
  foldedTaps,
};
