/** How the kernels of spectral normalisation see a weight; formulas are in spectral-norm.ts. */

export interface SpectralNormShape {
  /** Output channels, the rows of M. */
  readonly rows: number;
  /** 1 for OIHW; the input channels for IOHW. */
  readonly blocks: number;
  /** Contiguous elements of a row in one block. */
  readonly inner: number;
}

/** Elements an invocation moves at once, if the rows of w are aligned to them. */
export function vectorWidth(length: number): 1 | 4 {
  return length % 4 === 0 ? 4 : 1;
}

export function vectorAlias(width: 1 | 4): string {
  return width === 4
    ? `alias V = vec4f;
fn fold(x: V) -> f32 { return (x.x + x.y) + (x.z + x.w); }`
    : `alias V = f32;
fn fold(x: V) -> f32 { return x; }`;
}

/** What differs between the pipelines of two weights: whether vec4s fit, and how rows are laid out. */
export function layoutKey({ blocks, inner }: SpectralNormShape): string {
  return `${vectorWidth(inner)}.${blocks === 1 ? 'rows' : 'blocks'}`;
}

/** Sizes of M in the constants; columns, and the stride from row to row, in vectors. */
export const SIZES = 'struct Sizes { rows: u32, columns: u32, stride: u32 }';

export function sizesOf({
  rows,
  blocks,
  inner,
}: SpectralNormShape): readonly [number, number, number] {
  const stride = inner / vectorWidth(inner);
  return [rows, blocks * stride, stride];
}

/** Vectors of an elementwise pass that one invocation handles, so that scalars are loaded once. */
export const PER_LANE = 4;
export const LANES = 64;
