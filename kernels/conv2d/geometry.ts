/*
 * Sizes of a two-dimensional convolution, shared by its kernels:
 *
 *   y[n,o,oy,ox] = Σ_{c,ky,kx} w[o,c,ky,kx] · x̄[n,c, s·oy+ky, s·ox+kx]
 *
 * x̄ is x [N,C,H,W] extended by `padding` on each side, with zeros or by reflection.
 * w is [O,C,KH,KW], y is [N,O,OH,OW]. A transposed convolution with weights [I,O',KH,KW] is the data
 * gradient of the convolution that these weights describe when read as [O,C,KH,KW].
 */

export type PaddingMode = 'zeros' | 'reflect';

export interface ConvGeometry {
  readonly batch: number;
  readonly inChannels: number;
  readonly height: number;
  readonly width: number;
  readonly outChannels: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly stride: number;
  readonly padding: number;
  readonly paddingMode: PaddingMode;
}

/**
 * Where a convolution's y (or dy) is kept: channels `first`, `first + 1`, … of a tensor
 * [N,channels,OH,OW].
 */
export interface ChannelSlice {
  readonly first: number;
  readonly channels: number;
}

/** Output extent of a convolution along one axis: ⌊(size + 2p - k)/s⌋ + 1. */
export function convExtent(size: number, kernel: number, stride: number, padding: number): number {
  return Math.floor((size + 2 * padding - kernel) / stride) + 1;
}

export function outHeight(geometry: ConvGeometry): number {
  return convExtent(geometry.height, geometry.kernelHeight, geometry.stride, geometry.padding);
}

export function outWidth(geometry: ConvGeometry): number {
  return convExtent(geometry.width, geometry.kernelWidth, geometry.stride, geometry.padding);
}

/** Part of a kernel's key that tells all sizes. */
export function geometryKey(g: ConvGeometry): string {
  return `${g.batch}x${g.inChannels}x${g.height}x${g.width}-${g.outChannels}x${g.kernelHeight}x${g.kernelWidth}s${g.stride}p${g.padding}${g.paddingMode === 'reflect' ? 'r' : ''}`;
}

/** What is computed of a convolution. */
export type ConvolutionPass = 'forward' | 'data-gradient' | 'weight-gradient';

/** Smallest multiple of `step` that is not below `value`. */
export function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

/** A 1×1 convolution of stride 1 without padding does not see rows: one long row is as good. */
export function flatten(g: ConvGeometry): ConvGeometry {
  const pointwise =
    g.kernelHeight === 1 && g.kernelWidth === 1 && g.stride === 1 && g.padding === 0;
  return pointwise ? { ...g, height: 1, width: g.height * g.width } : g;
}

/** Whether the data gradient of a convolution is first that of the padded image, whose margins are then folded back. */
export function foldsMargins({ paddingMode, padding }: ConvGeometry): boolean {
  return paddingMode === 'reflect' && padding > 0;
}
