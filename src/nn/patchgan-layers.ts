import { formatShape, type Tensor } from '../autograd/tensor.ts';
import { ShapeError } from '../errors.ts';

/** One convolution 4×4 with padding 1. */
export interface PatchGanLayer {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly stride: number;
}

/** The 70×70 PatchGAN's convolutions: s2 in→ndf →2ndf →4ndf, s1 →8ndf →1. */
export function patchGanLayers(inChannels: number, ndf: number): PatchGanLayer[] {
  const channels = [inChannels, ndf, 2 * ndf, 4 * ndf, 8 * ndf, 1];
  const strides = [2, 2, 2, 1, 1];
  return strides.map((stride, index) => ({
    name: `conv${index + 1}`,
    from: channels[index],
    to: channels[index + 1],
    stride,
  }));
}

/** @throws ShapeError unless x is `[N,inChannels,H,W]` */
export function requirePatchGanInput(x: Tensor, inChannels: number): void {
  if (x.shape.length === 4 && x.shape[1] === inChannels) return;
  throw new ShapeError(`PatchGAN expects [N,${inChannels},H,W], found ${formatShape(x.shape)}`);
}
