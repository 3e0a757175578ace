import type { ConvGeometry, PaddingMode } from '../../kernels/conv2d/geometry.ts';

/**
 * Convolutions of the networks at the paper's sizes: 256 × 256 images, batch 4, U-Net of 8 levels with
 * 64 filters, PatchGAN with 64, and the perceptual trunks. A transposed convolution is described by
 * the convolution whose data gradient it is.
 */
export interface NamedShape {
  readonly name: string;
  readonly geometry: ConvGeometry;
  /** Which kernels training asks of it: frozen trunks have no weight gradient. */
  readonly trained: boolean;
}

const BATCH = 4;

function shape(
  name: string,
  inChannels: number,
  outChannels: number,
  kernel: number,
  extent: number,
  rest: { stride?: number; padding?: number; mode?: PaddingMode; trained?: boolean },
): NamedShape {
  const { stride = 1, padding = 0, mode = 'zeros', trained = true } = rest;
  return {
    name: `${name}-${inChannels}to${outChannels}-k${kernel}s${stride}p${padding}${mode === 'reflect' ? 'r' : ''}-${extent}px`,
    geometry: {
      batch: BATCH,
      inChannels,
      height: extent,
      width: extent,
      outChannels,
      kernelHeight: kernel,
      kernelWidth: kernel,
      stride,
      padding,
      paddingMode: mode,
    },
    trained,
  };
}

const HALVING = { stride: 2, padding: 1 };
const PATCH_HALVING = { stride: 2, padding: 1, mode: 'reflect' } as const;
const PATCH = { padding: 1, mode: 'reflect' } as const;
const FROZEN = { padding: 1, trained: false };
const POINTWISE = { trained: false };

export const CONVOLUTIONS: readonly NamedShape[] = [
  shape('unet-down1', 1, 64, 4, 256, HALVING),
  shape('unet-down2', 64, 128, 4, 128, HALVING),
  shape('unet-down3', 128, 256, 4, 64, HALVING),
  shape('unet-down4', 256, 512, 4, 32, HALVING),
  shape('unet-down5', 512, 512, 4, 16, HALVING),
  shape('unet-down8', 512, 512, 4, 2, HALVING),
  shape('patchgan1', 1, 64, 4, 256, PATCH_HALVING),
  shape('patchgan2', 64, 128, 4, 128, PATCH_HALVING),
  shape('patchgan3', 128, 256, 4, 64, PATCH_HALVING),
  shape('patchgan4', 256, 512, 4, 32, PATCH),
  shape('patchgan5', 512, 1, 4, 31, PATCH),
  shape('squeezenet-conv1', 3, 64, 3, 256, { stride: 2, trained: false }),
  shape('squeezenet-squeeze2', 64, 16, 1, 63, POINTWISE),
  shape('squeezenet-expand2', 16, 64, 3, 63, FROZEN),
  shape('squeezenet-squeeze5', 256, 32, 1, 31, POINTWISE),
  shape('squeezenet-expand5', 32, 128, 3, 31, FROZEN),
  shape('squeezenet-expand9', 64, 256, 3, 15, FROZEN),
  shape('vgg16-conv1_1', 3, 64, 3, 256, FROZEN),
  shape('vgg16-conv1_2', 64, 64, 3, 256, FROZEN),
  shape('vgg16-conv2_2', 128, 128, 3, 128, FROZEN),
  shape('vgg16-conv3_2', 256, 256, 3, 64, FROZEN),
  shape('vgg16-conv4_2', 512, 512, 3, 32, FROZEN),
  shape('vgg16-conv5_2', 512, 512, 3, 16, FROZEN),
];

/** Transposed convolutions of the U-Net's way up; `extent` is of the output. */
export const TRANSPOSED: readonly NamedShape[] = [
  shape('unet-up8', 512, 512, 4, 2, HALVING),
  shape('unet-up5', 512, 1024, 4, 16, HALVING),
  shape('unet-up4', 256, 1024, 4, 32, HALVING),
  shape('unet-up3', 128, 512, 4, 64, HALVING),
  shape('unet-up2', 64, 256, 4, 128, HALVING),
  shape('unet-up1', 1, 128, 4, 256, HALVING),
];
