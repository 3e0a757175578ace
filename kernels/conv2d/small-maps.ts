import type { AdapterProfile } from '../kernel.ts';
import { columnSizes } from './columns.ts';
import type { ConvGeometry, ConvolutionPass } from './geometry.ts';

/*
 * Convolutions between maps of a few pixels, the innermost layers of a U-Net: nearly all work is to
 * read (or write) the weights once, and the tiles of `correlation.ts`, whose lanes own four pixels of a
 * row, would stand empty. Here the image is unfolded to a small matrix of columns
 *
 *   X[p,k] = x̄[n, c, s·oy+ky, s·ox+kx]     p = (n,oy,ox),  k = (c,ky,kx)
 *
 * and the weight tensor is the matrix w[o,k] as it stands:
 *
 *   forward           y[o,p]  = Σ_k w[o,k]·X[p,k]
 *   data gradient     Z[p,k]  = Σ_o dy[o,p]·w[o,k], whose taps are then added up where they fall
 *   weight gradient   dw[o,k] = Σ_p dy[o,p]·X[p,k]
 *
 * Lanes take consecutive vec4s along k, so that weights stream through.
 */

/** Most output pixels, over all images, that count as few. */
const FEW_PIXELS = 16;
/** And in a weight gradient of so many rows that reading the image pixel by pixel does not count. */
const FEW_SUMMED = 256;
const MANY_ROWS = 128;

/** Whether these kernels can do a pass: few pixels, many weights, a fixed subgroup size. */
export function allowsSmallMaps(
  g: ConvGeometry,
  pass: ConvolutionPass,
  { subgroupSize }: AdapterProfile,
): boolean {
  const { pixels, rows, taps } = columnSizes(g);
  const few = pass === 'weight-gradient' && rows >= MANY_ROWS ? FEW_SUMMED : FEW_PIXELS;
  return subgroupSize > 0 && pixels <= few && rows >= 8 && taps >= 128 && taps % 4 === 0;
}

/** Whether they are taken for it where nothing was measured. */
export function hasSmallMaps(
  g: ConvGeometry,
  pass: ConvolutionPass,
  profile: AdapterProfile,
): boolean {
  return profile.kind === 'cpu' && allowsSmallMaps(g, pass, profile);
}
