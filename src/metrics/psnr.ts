import { type MetricImage, requireImagePair } from './window.ts';

/** What the paper's authors report for identical images, where the formula is infinite. */
const IDENTICAL_IMAGES_DB = 100;

/**
 * Mean squared error of two images.
 * @throws ShapeError when the lengths do not fit the size
 */
export function meanSquaredError(
  a: MetricImage,
  b: MetricImage,
  height: number,
  width: number,
): number {
  requireImagePair('mse', a, b, height, width);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += ((a[i] as number) - (b[i] as number)) ** 2;
  return sum / a.length;
}

/** 10 log10(1 / MSE) in dB for samples in [0, 1]; 100 when MSE is 0, as the paper's authors do. */
export function psnrFromMeanSquaredError(mse: number): number {
  return mse === 0 ? IDENTICAL_IMAGES_DB : -10 * Math.log10(mse);
}

/**
 * Peak signal-to-noise ratio in dB, no background mask (paper, section Evaluation).
 *
 * @param a, b samples in [0, 1], row-major
 * @returns 10 log10(1 / MSE), or 100 for identical images
 * @throws ShapeError when the lengths do not fit the size
 */
export function psnr(a: MetricImage, b: MetricImage, height: number, width: number): number {
  return psnrFromMeanSquaredError(meanSquaredError(a, b, height, width));
}
