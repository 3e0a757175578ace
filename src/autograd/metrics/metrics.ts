import type { Tensor } from '../tensor.ts';
import { lncc, lnccGlobal, lnccMonai, lnccPaper, lnccVoxelmorph } from './lncc.ts';
import { psnr } from './psnr.ts';
import { SSIM_VARIANTS, type SsimVariant, ssim } from './ssim.ts';

/**
 * A differentiable score of two images on the device.
 * @param a, b `[N,1,H,W]` in [0,1]
 * @returns `[N]`
 * @throws ShapeError if shapes differ or images are too small
 */
export type DeviceMetric = (a: Tensor, b: Tensor) => Tensor;

function ssimOf(variant: SsimVariant): DeviceMetric {
  return (a, b) => ssim(a, b, variant);
}

/** Every image metric of the project, by the name of its f64 reference on the host. */
export const DEVICE_METRICS: Readonly<Record<string, DeviceMetric>> = {
  psnr,
  ...Object.fromEntries(
    Object.entries(SSIM_VARIANTS).map(([name, variant]) => [name, ssimOf(variant)]),
  ),
  lncc_paper: lnccPaper,
  lncc,
  lncc_voxelmorph: lnccVoxelmorph,
  lncc_monai: lnccMonai,
  lncc_global: lnccGlobal,
};
