import { multiply, subtract } from '../ops/arithmetic.ts';
import { meanPerSample } from '../ops/reduce.ts';
import { negativeDecibels } from '../ops/scores.ts';
import type { Tensor } from '../tensor.ts';

/** Reported for identical images, where the formula is infinite (methods of the paper's authors). */
const IDENTICAL_IMAGES_DB = 100;

/** Mean squared error of every sample, `[N,…]` to `[N]`. @throws ShapeError if shapes differ */
export function meanSquaredError(a: Tensor, b: Tensor): Tensor {
  const difference = subtract(a, b);
  return meanPerSample(multiply(difference, difference));
}

/**
 * Peak signal-to-noise ratio, 10·log10(1/MSE) in dB of every sample, no background mask; 100, with
 * gradient 0, for identical images.
 * @param a, b `[N,1,H,W]` in [0,1]
 * @returns `[N]`
 * @throws ShapeError if shapes differ
 */
export function psnr(a: Tensor, b: Tensor): Tensor {
  return negativeDecibels(meanSquaredError(a, b), IDENTICAL_IMAGES_DB);
}
