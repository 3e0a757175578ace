import type { PaddingMode } from '../../kernels/conv2d/geometry.ts';

/** One convolution layer of a network at the paper's size (256 px, 64 channels at the first level). */
export interface ConvolutionLayer {
  readonly name: string;
  readonly inChannels: number;
  readonly outChannels: number;
  /** Height and width of the image (for a transposed convolution, of its output). */
  readonly height: number;
  readonly width: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly paddingMode?: PaddingMode;
  /** The forward pass is the data gradient of these numbers, and the other way round. */
  readonly transposed?: boolean;
  /** Weights never change: no weight gradient is ever needed. */
  readonly frozen?: boolean;
}

/** U-Net of eight levels, after `src/nn/unet.ts`. */
function unet(): ConvolutionLayer[] {
  const levels = 8;
  const channels = (level: number): number => 64 * Math.min(2 ** (level - 1), 8);
  const shape = { kernel: 4, stride: 2, padding: 1 };
  const layers: ConvolutionLayer[] = [];
  for (let level = 1; level <= levels; level++) {
    const size = 256 / 2 ** (level - 1);
    layers.push({
      name: `unet.down${level}`,
      inChannels: level === 1 ? 1 : channels(level - 1),
      outChannels: channels(level),
      height: size,
      width: size,
      ...shape,
    });
  }
  for (let level = levels; level >= 1; level--) {
    const size = 256 / 2 ** (level - 1);
    layers.push({
      name: `unet.up${level}`,
      inChannels: level === 1 ? 1 : channels(level - 1),
      // The input of every level but the deepest is a skip beside what comes from below.
      outChannels: channels(level) * (level === levels ? 1 : 2),
      height: size,
      width: size,
      ...shape,
      transposed: true,
    });
  }
  return layers;
}

/** PatchGAN, after `src/nn/patchgan.ts`. */
const PATCHGAN: readonly ConvolutionLayer[] = (
  [
    [1, 64, 256, 2],
    [64, 128, 128, 2],
    [128, 256, 64, 2],
    [256, 512, 32, 1],
    [512, 1, 31, 1],
  ] as const
).map(([inChannels, outChannels, size, stride], index) => ({
  name: `patchgan.conv${index + 1}`,
  inChannels,
  outChannels,
  height: size,
  width: size,
  kernel: 4,
  stride,
  padding: 1,
  paddingMode: 'reflect',
}));

const SAME = { kernel: 3, stride: 1, padding: 1 } as const;

/** The layers of residual generators: 3×3 of 64 channels at full size, of 256 in the blocks. */
const RESNET: readonly ConvolutionLayer[] = [
  { name: 'resnet.64', inChannels: 64, outChannels: 64, height: 64, width: 64, ...SAME },
  { name: 'resnet.256', inChannels: 256, outChannels: 256, height: 64, width: 64, ...SAME },
];

function frozen(
  name: string,
  inChannels: number,
  outChannels: number,
  size: number,
  shape: { kernel: number; stride: number; padding: number } = SAME,
): ConvolutionLayer {
  return { name, inChannels, outChannels, height: size, width: size, ...shape, frozen: true };
}

const POINT = { kernel: 1, stride: 1, padding: 0 };

/** torchvision's `squeezenet1_1`: its first layer, and fire modules from first to last size. */
const SQUEEZENET: readonly ConvolutionLayer[] = [
  frozen('squeezenet.conv0', 3, 64, 256, { kernel: 3, stride: 2, padding: 0 }),
  frozen('squeezenet.fire3.squeeze', 64, 16, 63, POINT),
  frozen('squeezenet.fire3.expand1x1', 16, 64, 63, POINT),
  frozen('squeezenet.fire3.expand3x3', 16, 64, 63),
  frozen('squeezenet.fire6.expand3x3', 32, 128, 31),
  frozen('squeezenet.fire9.expand3x3', 48, 192, 15),
  frozen('squeezenet.fire12.squeeze', 512, 64, 15, POINT),
  frozen('squeezenet.fire12.expand1x1', 64, 256, 15, POINT),
  frozen('squeezenet.fire12.expand3x3', 64, 256, 15),
];

/** torchvision's `vgg16`: every different layer. */
const VGG: readonly ConvolutionLayer[] = [
  frozen('vgg.conv0', 3, 64, 256),
  frozen('vgg.conv2', 64, 64, 256),
  frozen('vgg.conv5', 64, 128, 128),
  frozen('vgg.conv7', 128, 128, 128),
  frozen('vgg.conv10', 128, 256, 64),
  frozen('vgg.conv12', 256, 256, 64),
  frozen('vgg.conv17', 256, 512, 32),
  frozen('vgg.conv19', 512, 512, 32),
  frozen('vgg.conv24', 512, 512, 16),
];

/** Sizes that no tile divides. */
const RAGGED: readonly ConvolutionLayer[] = [
  { name: 'ragged.3x3', inChannels: 37, outChannels: 50, height: 61, width: 45, ...SAME },
  {
    name: 'ragged.4x4s2',
    inChannels: 19,
    outChannels: 41,
    height: 67,
    width: 83,
    kernel: 4,
    stride: 2,
    padding: 1,
  },
];

/** Every layer that is timed. */
export const CONVOLUTION_LAYERS: readonly ConvolutionLayer[] = [
  ...unet(),
  ...PATCHGAN,
  ...RESNET,
  ...SQUEEZENET,
  ...VGG,
  ...RAGGED,
];
