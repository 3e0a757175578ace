/**
 * The one list of metrics. Evaluation, help text, reports and docs read it, so a metric that is
 * added here appears everywhere, with its direction and where its definition comes from.
 */
import { UsageError } from '../errors.ts';
import { lncc, lnccGlobal, lnccMonai, lnccPaper, lnccVoxelmorph } from './lncc.ts';
import { psnr } from './psnr.ts';
import {
  ssim,
  ssimDoubleWindow,
  ssimSkimage,
  ssimSkimageGaussian,
  ssimSkimageGaussianSample,
  ssimTorchmetrics,
  ssimTorchmetricsOld,
} from './ssim.ts';
import type { MetricImage } from './window.ts';

/** Which way a score improves. */
export type Direction = 'higher' | 'lower';

/** What a reader needs to know of a metric, without the means to compute it. */
export interface MetricDescription {
  /** Key in logs, tables and on the command line. */
  readonly name: string;
  /** Name for people. */
  readonly label: string;
  readonly direction: Direction;
  /** Unit printed after a value; empty for a pure number. */
  readonly unit: '' | 'dB';
  /** Decimals worth printing. */
  readonly decimals: number;
  /** One sentence: what is computed. */
  readonly summary: string;
  /** Where the definition comes from. */
  readonly source: string;
}

/** A metric with an f64 reference on the host. */
export interface HostMetric extends MetricDescription {
  readonly kind: 'host';
  /** Score of one pair of images in [0, 1], row-major; throws ShapeError on a misfit. */
  readonly compute: (a: MetricImage, b: MetricImage, height: number, width: number) => number;
}

/** A metric of deep features, computed on the engine with a trunk. */
export interface PerceptualMetric extends MetricDescription {
  readonly kind: 'perceptual';
}

export type Metric = HostMetric | PerceptualMetric;

const SKIMAGE = 'scikit-image skimage/metrics/_structural_similarity.py';
const TORCHMETRICS = 'torchmetrics functional/image/ssim.py';
const MSSSIM = 'VainF/pytorch-msssim pytorch_msssim/ssim.py';
const LPIPS = 'richzhang/PerceptualSimilarity v0.1 (Zhang et al., CVPR 2018)';

/** Every variant with a host reference, primary ones first. */
export const HOST_METRICS: readonly HostMetric[] = [
  {
    kind: 'host',
    name: 'psnr',
    label: 'PSNR',
    direction: 'higher',
    unit: 'dB',
    decimals: 2,
    summary: '10 log10(1 / MSE), no background mask, 100 for identical images',
    source: 'paper, section Evaluation; ShreeramAthreya/CDX-USChallenge utility.py',
    compute: psnr,
  },
  {
    kind: 'host',
    name: 'ssim',
    label: 'SSIM',
    direction: 'higher',
    unit: '',
    decimals: 4,
    summary: 'Gaussian 11x11 of sigma 1.5 built in f32, valid windows, negative scores become 0',
    source: `${MSSSIM}, as the paper's authors call it`,
    compute: ssim,
  },
  {
    kind: 'host',
    name: 'lncc_paper',
    label: 'LNCC (paper)',
    direction: 'higher',
    unit: '',
    decimals: 4,
    summary:
      "the authors' uncentred LNCC, near a local cosine similarity; compares with their Table 2 only",
    source: 'ShreeramAthreya/CDX-USChallenge utility.py',
    compute: lnccPaper,
  },
  {
    kind: 'host',
    name: 'lncc',
    label: 'LNCC',
    direction: 'higher',
    unit: '',
    decimals: 4,
    summary: 'mean local correlation coefficient over 9x9 windows, reflected borders',
    source: 'lncc_paper with the means of the windows put right',
    compute: lncc,
  },
  {
    kind: 'host',
    name: 'ssim_f64_window',
    label: 'SSIM (f64 window)',
    direction: 'higher',
    unit: '',
    decimals: 4,
    summary: 'ssim with its window built in double precision',
    source: MSSSIM,
    compute: ssimDoubleWindow,
  },
  {
    kind: 'host',
    name: 'ssim_skimage',
    label: 'SSIM (scikit-image)',
    direction: 'higher',
    unit: '',
    decimals: 4,
    summary: 'uniform 7x7, interior windows, sample moments (scikit-image default)',
    source: SKIMAGE,
    compute: ssimSkimage,
  },
  {
    kind: 'host',
    name: 'ssim_skimage_gaussian',
    label: 'SSIM (scikit-image, Gaussian)',
    direction: 'higher',
    unit: '',
    decimals: 4,
    summary: 'Gaussian 11x11, interior windows, population moments, negative scores kept',
    source: `${SKIMAGE} (gaussian_weights=True, use_sample_covariance=False)`,
    compute: ssimSkimageGaussian,
  },
  {
    kind: 'host',
    name: 'ssim_skimage_gaussian_sample',
    label: 'SSIM (scikit-image, Gaussian, sample covariance)',
    direction: 'higher',
    unit: '',
    decimals: 4,
    summary: 'Gaussian 11x11, interior windows, sample moments',
    source: `${SKIMAGE} (gaussian_weights=True)`,
    compute: ssimSkimageGaussianSample,
  },
  {
    kind: 'host',
    name: 'ssim_torchmetrics_old',
    label: 'SSIM (torchmetrics, older)',
    direction: 'higher',
    unit: '',
    decimals: 4,
    summary: 'Gaussian 11x11, border of 5 cropped away, negative scores kept',
    source: `${TORCHMETRICS} (older releases)`,
    compute: ssimTorchmetricsOld,
  },
  {
    kind: 'host',
    name: 'ssim_torchmetrics',
    label: 'SSIM (torchmetrics)',
    direction: 'higher',
    unit: '',
    decimals: 4,
    summary: 'Gaussian 11x11, reflected borders, averaged over the whole image',
    source: `${TORCHMETRICS} (recent releases)`,
    compute: ssimTorchmetrics,
  },
  {
    kind: 'host',
    name: 'lncc_voxelmorph',
    label: 'LNCC² (VoxelMorph)',
    direction: 'higher',
    unit: '',
    decimals: 4,
    summary: 'squared local correlation over 9x9 window sums, zeros outside',
    source: 'voxelmorph/voxelmorph voxelmorph/torch/losses.py (NCC), sign turned',
    compute: lnccVoxelmorph,
  },
  {
    kind: 'host',
    name: 'lncc_monai',
    label: 'LNCC² (MONAI)',
    direction: 'higher',
    unit: '',
    decimals: 4,
    summary: 'squared local correlation over 3x3 window sums, zeros outside',
    source: 'Project-MONAI/MONAI monai/losses/image_dissimilarity.py (defaults), sign turned',
    compute: lnccMonai,
  },
  {
    kind: 'host',
    name: 'lncc_global',
    label: 'LNCC (one ratio)',
    direction: 'higher',
    unit: '',
    decimals: 4,
    summary: 'one ratio of whole-image sums of pixels less their local mean',
    source: 'paper, section Evaluation, formula as printed',
    compute: lnccGlobal,
  },
];

function perceptual(
  name: string,
  label: string,
  summary: string,
  source: string,
): PerceptualMetric {
  return {
    kind: 'perceptual',
    name,
    label,
    direction: 'lower',
    unit: '',
    decimals: 4,
    summary,
    source,
  };
}

/** Distances of deep features, computed on the engine; the trunk's weights come from the user. */
export const PERCEPTUAL_METRICS: readonly PerceptualMetric[] = [
  perceptual('lpips_vgg', 'LPIPS (VGG)', 'learned distance of VGG-16 features', LPIPS),
  perceptual('lpips_alex', 'LPIPS (Alex)', 'learned distance of AlexNet features', LPIPS),
  perceptual(
    'lpips_squeeze',
    'LPIPS (Squeeze)',
    'learned distance of SqueezeNet 1.1 features',
    LPIPS,
  ),
  perceptual(
    'random_features',
    'random features',
    'distance of seeded untrained features with uniform weights; not LPIPS',
    'this project: for use without any weights file',
  ),
];

/** All metrics, host ones first. */
export const METRICS: readonly Metric[] = [...HOST_METRICS, ...PERCEPTUAL_METRICS];

/** Metrics that evaluation reports unless asked otherwise. */
export const DEFAULT_HOST_METRICS: readonly string[] = ['psnr', 'ssim', 'lncc_paper', 'lncc'];

/**
 * The metric of that name.
 * @throws UsageError naming the metrics there are
 */
export function metricNamed(name: string): Metric {
  const found = METRICS.find((metric) => metric.name === name);
  if (found) return found;
  throw new UsageError(
    `metric: expected one of ${METRICS.map((metric) => metric.name).join(', ')}; found "${name}"`,
  );
}

/** Whether `score` is better than `baseline`; an equal score is not, nor is NaN. */
export function isBetter(direction: Direction, score: number, baseline: number): boolean {
  return direction === 'higher' ? score > baseline : score < baseline;
}
