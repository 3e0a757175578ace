import type { WeightGradientWays } from './convolution-request.ts';
import { gpuWeightGradient, weightGradientChoices } from './gpu/weight-gradient.ts';
import { conv2dWeightGradient } from './weight-gradient.ts';

/** All ways to make a weight gradient. Whoever asks for one names them; nobody else carries them. */
export const WEIGHT_GRADIENT_WAYS: WeightGradientWays = {
  registers: conv2dWeightGradient,
  tiles: gpuWeightGradient,
  tileChoices: weightGradientChoices,
};
