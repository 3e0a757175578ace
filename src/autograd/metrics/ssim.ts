import type { MomentMap } from '../../../kernels/moments.ts';
import type { WindowBorder } from '../../../kernels/window-filter.ts';
import { relu } from '../ops/activations.ts';
import { momentMap, productsOfPair } from '../ops/moments.ts';
import { meanPerSample } from '../ops/reduce.ts';
import { windowFilter } from '../ops/window-filter.ts';
import type { Tensor } from '../tensor.ts';
import { gaussianWindow, uniformWindow, type WindowTaps } from './windows.ts';

/** What implementations of SSIM disagree about. */
export interface SsimVariant {
  /** One dimension of the window. */
  readonly window: WindowTaps;
  /** `valid` also stands for padding that is cropped from the map again. */
  readonly border: Exclude<WindowBorder, 'zero'>;
  /** n/(n-1) with n the pixels of the window, instead of population moments. */
  readonly sampleCovariance: boolean;
  /** Whether a variance below 0 by rounding becomes 0. */
  readonly clampVariance: boolean;
  /** Whether the score of an image becomes 0 if it is below. */
  readonly clampScore: boolean;
}

const GAUSSIAN = gaussianWindow(11, 1.5, 'f64');

const POPULATION: SsimVariant = {
  window: GAUSSIAN,
  border: 'valid',
  sampleCovariance: false,
  clampVariance: false,
  clampScore: false,
};

/** The variants by name; the names are those of the host metrics. */
export const SSIM_VARIANTS = {
  /** pytorch-msssim as the paper's authors call it: window built in f32, scores ≥ 0. */
  ssim: { ...POPULATION, window: gaussianWindow(11, 1.5, 'f32'), clampScore: true },
  ssim_f64_window: { ...POPULATION, clampScore: true },
  /** scikit-image's default: uniform 7x7 and sample moments. */
  ssim_skimage: { ...POPULATION, window: uniformWindow(7), sampleCovariance: true },
  ssim_skimage_gaussian: POPULATION,
  ssim_skimage_gaussian_sample: { ...POPULATION, sampleCovariance: true },
  /** torchmetrics before it kept the border. */
  ssim_torchmetrics_old: POPULATION,
  /** Recent torchmetrics: reflected borders, averaged over the whole image. */
  ssim_torchmetrics: { ...POPULATION, border: 'reflect', clampVariance: true },
} as const satisfies Record<string, SsimVariant>;

/**
 * Structural similarity of every sample, the mean over windows of
 * (2 m_a m_b + C1)(2 c + C2) / ((m_a² + m_b² + C1)(v_a + v_b + C2)), C1 = 0.01², C2 = 0.03².
 *
 * A score that `clampScore` makes 0 has gradient 0.
 * @param a, b `[N,1,H,W]` in [0,1]
 * @param variant default: the one of the paper
 * @returns `[N]`
 * @throws ShapeError if shapes differ, or images are smaller than the window needs
 * Source: Wang et al., IEEE TIP 2004; implementations as named in `SSIM_VARIANTS`.
 */
export function ssim(a: Tensor, b: Tensor, variant: SsimVariant = SSIM_VARIANTS.ssim): Tensor {
  const { window: taps, border, sampleCovariance, clampVariance, clampScore } = variant;
  const area = taps.length ** 2;
  const map: MomentMap = {
    kind: 'ssim',
    momentScale: sampleCovariance ? area / (area - 1) : 1,
    clampVariance,
    c1: 0.01 ** 2,
    c2: 0.03 ** 2,
  };
  const moments = windowFilter(productsOfPair(a, b), { taps, border });
  const score = meanPerSample(momentMap(moments, map));
  return clampScore ? relu(score) : score;
}
