import { type ConvGeometry, outHeight, outWidth, type PaddingMode } from './geometry.ts';
import { windowFunctions } from './window.ts';

/*
 * The image as the matrix of columns that `small-maps.ts` describes, X[p,k] with p = (n,oy,ox) and
 * k = (c,ky,kx). It is not kept: kernels read what they need of it from the image as it stands, four k at a time.
 */

/** Sizes of the matrices. */
export interface ColumnSizes {
  /** Columns: N·OH·OW. */
  readonly pixels: number;
  /** Output channels. */
  readonly rows: number;
  /** Products a sum: C·KH·KW. */
  readonly taps: number;
}

export function columnSizes(g: ConvGeometry): ColumnSizes {
  return {
    pixels: g.batch * outHeight(g) * outWidth(g),
    rows: g.outChannels,
    taps: g.inChannels * g.kernelHeight * g.kernelWidth,
  };
}

/** Workgroups that are enough for a processor; beyond, they share what they read of the image. */
export const ENOUGH_WORKGROUPS = 16;

/** vec4s that WebGPU's default limit of workgroup memory holds. */
export const TILE_VECTORS = 1024;

/** Members of the struct `Sizes` that `columnFunctions` needs, and their values. */
export const COLUMN_SIZES = `outHeight: i32, outWidth: i32, channels: i32, height: i32, width: i32,
  kernelHeight: u32, kernelWidth: u32, stride: i32, padding: i32,`;

export function columnConstants(g: ConvGeometry): number[] {
  return [
    ...[outHeight(g), outWidth(g), g.inChannels, g.height, g.width],
    ...[g.kernelHeight, g.kernelWidth, g.stride, g.padding],
  ];
}

/** WGSL of x̄ at element `e` of four taps. */
function imageAt(mode: PaddingMode, e: number): string {
  const [y, x] = [`oy * sizes.stride + taps.ky[${e}]`, `ox * sizes.stride + taps.kx[${e}]`];
  const plane = `(item * sizes.channels + taps.channel[${e}]) * sizes.height`;
  if (mode === 'reflect') {
    return `image[(${plane} + reflect_at(${y}, sizes.height)) * sizes.width + reflect_at(${x}, sizes.width)]`;
  }
  const inside = `u32(${y}) < u32(sizes.height) && u32(${x}) < u32(sizes.width)`;
  return `select(0.0, image[(${plane} + ${y}) * sizes.width + ${x}], ${inside})`;
}

/**
 * WGSL over a storage `image: array<f32>` and a struct `sizes`: `taps_of(v)` finds out where the four k
 * of vec4 v are, `column(taps, item, oy, ox)` is X at them.
 */
export function columnFunctions(mode: PaddingMode): string {
  return `${windowFunctions(mode)}
struct Taps { channel: vec4i, ky: vec4i, kx: vec4i }

fn taps_of(vector: u32) -> Taps {
  let k = vec4u(vector * 4u) + vec4u(0u, 1u, 2u, 3u);
  let row = k / sizes.kernelWidth;
  return Taps(
    vec4i(row / sizes.kernelHeight),
    vec4i(row % sizes.kernelHeight) - sizes.padding,
    vec4i(k % sizes.kernelWidth) - sizes.padding);
}

fn column(taps: Taps, item: i32, oy: i32, ox: i32) -> vec4f {
  return vec4f(
    ${[0, 1, 2, 3].map((e) => imageAt(mode, e)).join(',\n    ')});
}`;
}

/**
 * WGSL that stores the columns of `taps` at pixels 0, 1, … in turn: `columns[<at>] = …`, with `at` an expression of p.
 * @param count pixels @param start the first of them, counted over images of `plane`; absent if it is 0
 */
export function storeColumns(at: string, count: string, start?: string): string {
  const from = (inImage: string): string => (start ? inImage : '0');
  return `var item = ${from(`i32(${start} / plane)`)};
    var oy = ${from(`i32(${start} % plane) / sizes.outWidth`)};
    var ox = ${from(`i32(${start} % plane) % sizes.outWidth`)};
    for (var p = 0u; p < ${count}; p++) {
      columns[${at}] = column(taps, item, oy, ox);
      ox++;
      if (ox == sizes.outWidth) { ox = 0; oy++; }
      if (oy == sizes.outHeight) { oy = 0; item++; }
    }`;
}

/** Lines made for 0, 1, … */
export const repeat = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => line(i)).join('\n');
