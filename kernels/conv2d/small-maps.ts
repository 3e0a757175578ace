import type { AdapterProfile, Operand, Plan } from '../kernel.ts';
import {
  accumulateOuter,
  collectTaps,
  columnSizes,
  dotRows,
  spreadTaps,
  unfold,
} from './columns.ts';
import type { Epilogue } from './epilogue.ts';
import { type ConvGeometry, roundUp } from './geometry.ts';

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

/**
 * The forward pass adds up across lanes, which pays for the fewest pixels only on lavapipe; on SwiftShader,
 * with its four lanes, it pays for all.
 */
function fewForward({ subgroupSize }: AdapterProfile): number {
  return subgroupSize === 4 ? FEW_PIXELS : 4;
}

/** Whether these kernels can do a convolution: few pixels, many weights, a fixed subgroup size. */
export function allowsSmallMaps(g: ConvGeometry, profile: AdapterProfile): boolean {
  const { pixels, rows, taps } = columnSizes(g);
  return (
    profile.subgroupSize > 0 && pixels <= FEW_PIXELS && rows >= 8 && taps >= 128 && taps % 4 === 0
  );
}

/** Whether they are taken for it where nothing was measured. */
export function hasSmallMaps(
  g: ConvGeometry,
  pass: 'forward' | 'gradients',
  profile: AdapterProfile,
): boolean {
  return (
    profile.kind === 'cpu' &&
    columnSizes(g).pixels <= (pass === 'forward' ? fewForward(profile) : FEW_PIXELS) &&
    allowsSmallMaps(g, profile)
  );
}

/** Inputs: x, w, bias (only if `epilogue.bias`). Output: y. */
export function smallForward(g: ConvGeometry, epilogue: Epilogue, profile: AdapterProfile): Plan {
  const { pixels, taps } = columnSizes(g);
  const columns: Operand = { temporary: 0 };
  const bias: Operand = { input: epilogue.bias ? 2 : 1 };
  return {
    temporaries: [pixels * taps],
    steps: [
      { kernel: unfold(g), operands: [{ input: 0 }, columns] },
      {
        kernel: dotRows(g, epilogue, profile),
        operands: [columns, { input: 1 }, bias, { output: 0 }],
      },
    ],
  };
}

/**
 * Inputs: dy, w, bias (only if `epilogue.bias`). Output: dx, overwritten, or added to if `accumulate`.
 * Zero padding only.
 */
export function smallDataGradient(
  g: ConvGeometry,
  epilogue: Epilogue,
  accumulate: boolean,
  profile: AdapterProfile,
): Plan {
  const { pixels, taps } = columnSizes(g);
  const columns: Operand = { temporary: 0 };
  const bias: Operand = { input: epilogue.bias ? 2 : 1 };
  return {
    temporaries: [pixels * taps],
    steps: [
      { kernel: spreadTaps(g, profile), operands: [{ input: 0 }, { input: 1 }, columns] },
      { kernel: collectTaps(g, epilogue, accumulate), operands: [columns, bias, { output: 0 }] },
    ],
  };
}

/** Inputs: x, dy. Output: dw, overwritten, or added to if `accumulate`. */
export function smallWeightGradient(
  g: ConvGeometry,
  accumulate: boolean,
  profile: AdapterProfile,
): Plan {
  const { pixels, taps } = columnSizes(g);
  const columns: Operand = { temporary: 0 };
  return {
    temporaries: [roundUp(pixels * taps, 4)],
    steps: [
      { kernel: unfold(g), operands: [{ input: 0 }, columns] },
      {
        kernel: accumulateOuter(g, accumulate, profile),
        operands: [columns, { input: 1 }, { output: 0 }],
      },
    ],
  };
}
