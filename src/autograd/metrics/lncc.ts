import type { MomentMap } from '../../../kernels/moments.ts';
import { multiply, subtract } from '../ops/arithmetic.ts';
import { momentMap, productsOfPair } from '../ops/moments.ts';
import { meanPerSample } from '../ops/reduce.ts';
import { correlationOf } from '../ops/scores.ts';
import { type WindowFilterOptions, windowFilter } from '../ops/window-filter.ts';
import type { Tensor } from '../tensor.ts';
import { uniformWindow } from './windows.ts';

const SIZE = 9;
const AREA = SIZE ** 2;
const EPSILON = 1e-5;
const REFLECTED: WindowFilterOptions = { taps: uniformWindow(SIZE), border: 'reflect' };

function meanOfMap(a: Tensor, b: Tensor, filter: WindowFilterOptions, map: MomentMap): Tensor {
  return meanPerSample(momentMap(windowFilter(productsOfPair(a, b), filter), map));
}

/**
 * The authors' LNCC with its slip: means are divided by 81 once more, so that the value is close to
 * a local cosine similarity. Only for comparison with the paper's Table 2.
 * @param a, b `[N,1,H,W]` in [0,1], at least 5x5
 * @returns `[N]`
 * @throws ShapeError if shapes differ or images are too small
 * Source: ShreeramAthreya/CDX-USChallenge, utility.py.
 */
export function lnccPaper(a: Tensor, b: Tensor): Tensor {
  const map: MomentMap = { kind: 'correlation', meanScale: 1 / AREA, epsilon: EPSILON };
  return meanOfMap(a, b, REFLECTED, map);
}

/**
 * Mean over 9x9 windows of the correlation coefficient, c/(√(v_a v_b) + 1e-5), borders reflected.
 * @param a, b `[N,1,H,W]` in [0,1], at least 5x5
 * @returns `[N]`, -1 to 1
 * @throws ShapeError if shapes differ or images are too small
 */
export function lncc(a: Tensor, b: Tensor): Tensor {
  return meanOfMap(a, b, REFLECTED, { kind: 'correlation', meanScale: 1, epsilon: EPSILON });
}

/**
 * VoxelMorph's squared correlation over 9x9 window sums with zeros outside, higher is better.
 * @param a, b `[N,1,H,W]` in [0,1]
 * @returns `[N]`, 0 to 1
 * @throws ShapeError if shapes differ
 * Source: `voxelmorph/torch/losses.py` (NCC), sign turned.
 */
export function lnccVoxelmorph(a: Tensor, b: Tensor): Tensor {
  const map: MomentMap = { kind: 'squared', area: AREA, epsilon: EPSILON };
  return meanOfMap(a, b, { taps: uniformWindow(SIZE), border: 'zero' }, map);
}

/**
 * MONAI's `LocalNormalizedCrossCorrelationLoss` at its defaults (3x3, zeros outside), higher is
 * better.
 * @param a, b `[N,1,H,W]` in [0,1]
 * @returns `[N]`, 0 to 1
 * @throws ShapeError if shapes differ
 * Source: MONAI `losses/image_dissimilarity.py`, sign turned.
 */
export function lnccMonai(a: Tensor, b: Tensor): Tensor {
  const map: MomentMap = { kind: 'floored', area: 9, epsilon: EPSILON };
  return meanOfMap(a, b, { taps: uniformWindow(3), border: 'zero' }, map);
}

/**
 * The formula printed in the paper: one ratio of whole-image sums of pixels less their local 9x9
 * mean, Σx'y' / √(Σx'² Σy'²).
 * @param a, b `[N,1,H,W]` in [0,1], at least 5x5
 * @returns `[N]`, -1 to 1; 0, with gradient 0, if an image equals its local mean everywhere
 * @throws ShapeError if shapes differ or images are too small
 */
export function lnccGlobal(a: Tensor, b: Tensor): Tensor {
  const x = subtract(a, windowFilter(a, REFLECTED));
  const y = subtract(b, windowFilter(b, REFLECTED));
  return correlationOf(
    meanPerSample(multiply(x, y)),
    meanPerSample(multiply(x, x)),
    meanPerSample(multiply(y, y)),
  );
}
