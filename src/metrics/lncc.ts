/**
 * Locally normalised cross-correlation in the variants that go by that name.
 * E is the 9x9 box mean at stride 1 unless stated; images are in [0, 1].
 */
import {
  boxWindow,
  filterSeparable,
  type MetricImage,
  pairMoments,
  requireImagePair,
} from './window.ts';

const SIZE = 9;
const AREA = SIZE ** 2;
const EPSILON = 1e-5;
const MONAI_SIZE = 3;
/** Root mean square below which a demeaned image is rounding error: f64 means of flat images. */
const FLAT_RMS = 1e-12;

/**
 * The authors' LNCC, reproduced with its slip: the already averaged window is divided by 81 once
 * more, so the means nearly vanish and the value is close to a local cosine similarity.
 *
 *   m = E[.] / 81,  v = E[.^2] - m^2,  mean of (E[xy] - mx my) / (sqrt(vx vy) + 1e-5)
 *
 * with reflected borders. It compares with the paper's Table 2 and says little about structure:
 * unrelated speckle scores about 0.97. For meaning use {@link lncc}.
 * Source: ShreeramAthreya/CDX-USChallenge, utility.py.
 *
 * @param a, b samples in [0, 1], at least 5x5; windows that are black throughout contribute 0
 * @returns 0 to 1
 * @throws ShapeError when the lengths do not fit the size or a side is below 5
 */
export function lnccPaper(a: MetricImage, b: MetricImage, height: number, width: number): number {
  const e = pairMoments('lncc_paper', a, b, height, width, boxWindow(SIZE), 'reflect');
  let sum = 0;
  for (let i = 0; i < e.x.length; i++) {
    const mx = (e.x[i] as number) / AREA;
    const my = (e.y[i] as number) / AREA;
    const vx = (e.xx[i] as number) - mx * mx;
    const vy = (e.yy[i] as number) - my * my;
    sum += ((e.xy[i] as number) - mx * my) / (Math.sqrt(vx * vy) + EPSILON);
  }
  return sum / e.x.length;
}

/**
 * Locally normalised cross-correlation as it is meant: the mean over windows of the correlation
 * coefficient, (E[xy] - E[x]E[y]) / (sqrt(vx vy) + 1e-5), variances cut off at 0, borders
 * reflected.
 *
 * @param a, b samples in [0, 1], at least 5x5
 * @returns -1 to 1; unrelated images score about 0
 * @throws ShapeError when the lengths do not fit the size or a side is below 5
 */
export function lncc(a: MetricImage, b: MetricImage, height: number, width: number): number {
  const e = pairMoments('lncc', a, b, height, width, boxWindow(SIZE), 'reflect');
  let sum = 0;
  for (let i = 0; i < e.x.length; i++) {
    const mx = e.x[i] as number;
    const my = e.y[i] as number;
    const vx = Math.max((e.xx[i] as number) - mx * mx, 0);
    const vy = Math.max((e.yy[i] as number) - my * my, 0);
    sum += ((e.xy[i] as number) - mx * my) / (Math.sqrt(vx * vy) + EPSILON);
  }
  return sum / e.x.length;
}

/**
 * VoxelMorph's squared correlation (`voxelmorph/torch/losses.py`, class NCC), with its sign
 * turned so that higher is better: over 9x9 window sums with zeros outside,
 * mean of cross^2 / (vx vy + 1e-5).
 *
 * @param a, b samples in [0, 1], any size
 * @returns 0 to 1; squaring forgets the sign, so an inverted image scores like a perfect one
 * @throws ShapeError when the lengths do not fit the size
 */
export function lnccVoxelmorph(
  a: MetricImage,
  b: MetricImage,
  height: number,
  width: number,
): number {
  const e = pairMoments('lncc_voxelmorph', a, b, height, width, boxWindow(SIZE), 'zero');
  let sum = 0;
  for (let i = 0; i < e.x.length; i++) {
    const mx = e.x[i] as number;
    const my = e.y[i] as number;
    // A window sum is the area times the window mean; so are the three central moments.
    const cross = AREA * ((e.xy[i] as number) - mx * my);
    const vx = AREA * ((e.xx[i] as number) - mx * mx);
    const vy = AREA * ((e.yy[i] as number) - my * my);
    sum += (cross * cross) / (vx * vy + EPSILON);
  }
  return sum / e.x.length;
}

/**
 * MONAI's `LocalNormalizedCrossCorrelationLoss` at its defaults (rectangular 3x3, zeros outside),
 * sign turned so that higher is better: mean of cross^2 / (max(vx, 1e-5) max(vy, 1e-5)) over
 * window sums.
 *
 * @param a, b samples in [0, 1], any size
 * @returns 0 to 1; squared, as {@link lnccVoxelmorph}
 * @throws ShapeError when the lengths do not fit the size
 */
export function lnccMonai(a: MetricImage, b: MetricImage, height: number, width: number): number {
  const area = MONAI_SIZE ** 2;
  const e = pairMoments('lncc_monai', a, b, height, width, boxWindow(MONAI_SIZE), 'zero');
  let sum = 0;
  for (let i = 0; i < e.x.length; i++) {
    const mx = e.x[i] as number;
    const my = e.y[i] as number;
    const cross = area * ((e.xy[i] as number) - mx * my);
    const vx = Math.max(area * ((e.xx[i] as number) - mx * mx), EPSILON);
    const vy = Math.max(area * ((e.yy[i] as number) - my * my), EPSILON);
    sum += (cross * cross) / (vx * vy);
  }
  return sum / e.x.length;
}

/**
 * The formula printed in the paper (section Evaluation), read literally: one ratio of whole-image
 * sums of pixels less their local 9x9 mean (borders reflected),
 * sum(x' y') / sqrt(sum(x'^2) sum(y'^2)).
 *
 * @param a, b samples in [0, 1], at least 5x5
 * @returns -1 to 1; 0 when an image equals its local mean everywhere
 * @throws ShapeError when the lengths do not fit the size or a side is below 5
 */
export function lnccGlobal(a: MetricImage, b: MetricImage, height: number, width: number): number {
  requireImagePair('lncc_global', a, b, height, width);
  const localMean = (image: MetricImage) =>
    filterSeparable('lncc_global', image, height, width, boxWindow(SIZE), 'reflect').data;
  const meanA = localMean(a);
  const meanB = localMean(b);
  let xx = 0;
  let yy = 0;
  let xy = 0;
  for (let i = 0; i < a.length; i++) {
    const x = (a[i] as number) - (meanA[i] as number);
    const y = (b[i] as number) - (meanB[i] as number);
    xx += x * x;
    yy += y * y;
    xy += x * y;
  }
  const flat = a.length * FLAT_RMS ** 2;
  return xx <= flat || yy <= flat ? 0 : xy / Math.sqrt(xx * yy);
}
