/**
 * Structural similarity in the variants that papers and libraries compute under one name.
 *
 * All share, per window, with C1 = 0.01^2 and C2 = 0.03^2 for samples in [0, 1],
 *
 *   ssim = (2 mx my + C1)(2 cxy + C2) / ((mx^2 + my^2 + C1)(vx + vy + C2)),
 *
 * averaged over windows; they differ in window, border and bias of the moments.
 */
import { type Border, boxWindow, gaussianWindow, type MetricImage, pairMoments } from './window.ts';

const C1 = 0.01 ** 2;
const C2 = 0.03 ** 2;
const GAUSSIAN_SIZE = 11;
const GAUSSIAN_SIGMA = 1.5;
const UNIFORM_SIZE = 7;

interface SsimVariant {
  readonly name: string;
  readonly window: Float64Array;
  readonly border: Border;
  /** Factor on variances and covariance: 1 for population moments, n / (n - 1) for sample ones. */
  readonly momentScale: number;
  /** Whether a variance that rounding made negative becomes 0. */
  readonly clampVariance: boolean;
  /** Whether a negative image score becomes 0. */
  readonly clampScore: boolean;
}

type ImageMetric = (a: MetricImage, b: MetricImage, height: number, width: number) => number;

function ssimVariant(variant: SsimVariant): ImageMetric {
  const { name, window, border, momentScale, clampVariance, clampScore } = variant;
  const floor = clampVariance ? 0 : Number.NEGATIVE_INFINITY;
  return (a, b, height, width) => {
    const e = pairMoments(name, a, b, height, width, window, border);
    let sum = 0;
    for (let i = 0; i < e.x.length; i++) {
      const mx = e.x[i] as number;
      const my = e.y[i] as number;
      const vx = momentScale * Math.max((e.xx[i] as number) - mx * mx, floor);
      const vy = momentScale * Math.max((e.yy[i] as number) - my * my, floor);
      const cxy = momentScale * ((e.xy[i] as number) - mx * my);
      sum += ((2 * mx * my + C1) * (2 * cxy + C2)) / ((mx * mx + my * my + C1) * (vx + vy + C2));
    }
    const mean = sum / e.x.length;
    return clampScore ? Math.max(mean, 0) : mean;
  };
}

const gaussianF64 = gaussianWindow(GAUSSIAN_SIZE, GAUSSIAN_SIGMA, 'f64');

/**
 * The project's primary SSIM: pytorch-msssim as the paper's authors call it. Gaussian window of
 * 11x11, sigma 1.5, built in single precision, valid windows only, population moments, a negative
 * score of an image becomes 0 (`nonnegative_ssim=True`).
 *
 * @param a, b samples in [0, 1], at least 11x11
 * @returns 0 to 1
 * @throws ShapeError when the lengths do not fit the size or a side is below 11
 */
export const ssim: ImageMetric = ssimVariant({
  name: 'ssim',
  window: gaussianWindow(GAUSSIAN_SIZE, GAUSSIAN_SIGMA, 'f32'),
  border: 'valid',
  momentScale: 1,
  clampVariance: false,
  clampScore: true,
});

/** {@link ssim} with a window built in double precision. */
export const ssimDoubleWindow: ImageMetric = ssimVariant({
  name: 'ssim_f64_window',
  window: gaussianF64,
  border: 'valid',
  momentScale: 1,
  clampVariance: false,
  clampScore: true,
});

/**
 * scikit-image `structural_similarity(data_range=1)`: uniform 7x7, interior only, sample moments
 * (49/48).
 * @returns -1 to 1
 * @throws ShapeError when the lengths do not fit the size or a side is below 7
 */
export const ssimSkimage: ImageMetric = ssimVariant({
  name: 'ssim_skimage',
  window: boxWindow(UNIFORM_SIZE),
  border: 'valid',
  momentScale: UNIFORM_SIZE ** 2 / (UNIFORM_SIZE ** 2 - 1),
  clampVariance: false,
  clampScore: false,
});

/**
 * scikit-image with `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`: the setting
 * of Wang et al. 2004; equals {@link ssimDoubleWindow} where that is positive.
 */
export const ssimSkimageGaussian: ImageMetric = ssimVariant({
  name: 'ssim_skimage_gaussian',
  window: gaussianF64,
  border: 'valid',
  momentScale: 1,
  clampVariance: false,
  clampScore: false,
});

/** scikit-image with `gaussian_weights=True, sigma=1.5`: sample moments (121/120). */
export const ssimSkimageGaussianSample: ImageMetric = ssimVariant({
  name: 'ssim_skimage_gaussian_sample',
  window: gaussianF64,
  border: 'valid',
  momentScale: GAUSSIAN_SIZE ** 2 / (GAUSSIAN_SIZE ** 2 - 1),
  clampVariance: false,
  clampScore: false,
});

/**
 * torchmetrics before it kept the border: reflect-padded by 5, map cropped by 5, so the padding
 * is never seen.
 */
export const ssimTorchmetricsOld: ImageMetric = ssimVariant({
  name: 'ssim_torchmetrics_old',
  window: gaussianF64,
  border: 'valid',
  momentScale: 1,
  clampVariance: false,
  clampScore: false,
});

/**
 * Recent torchmetrics: reflect-padded by 5 and averaged over the whole image; variances cut off
 * at 0.
 * @throws ShapeError when the lengths do not fit the size or a side is below 6
 */
export const ssimTorchmetrics: ImageMetric = ssimVariant({
  name: 'ssim_torchmetrics',
  window: gaussianF64,
  border: 'reflect',
  momentScale: 1,
  clampVariance: true,
  clampScore: false,
});
