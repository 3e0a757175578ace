/** Region means, unit vectors and InfoNCE in double precision. */
import { type HostArray, hostArray } from '../registry/row.ts';
import { sizeOf } from '../tensor.ts';

/** Pixels of each region of each image. @param labels `[N,P]` */
function regionSizes(labels: readonly number[], images: number, count: number): number[][] {
  const sizes = Array.from({ length: images }, () => new Array<number>(count).fill(0));
  const pixels = labels.length / images;
  labels.forEach((label, i) => {
    sizes[Math.floor(i / pixels)][label]++;
  });
  return sizes;
}

/** Calls `visit` for every pixel of x: its place, that of its region's mean, and the region's size. */
function forEachPixel(
  [batch, channels, height, width]: readonly number[],
  labels: readonly number[],
  count: number,
  visit: (pixel: number, mean: number, size: number) => void,
): void {
  const pixels = height * width;
  const sizes = regionSizes(labels, batch, count);
  for (let plane = 0; plane < batch * channels; plane++) {
    const image = Math.floor(plane / channels);
    for (let p = 0; p < pixels; p++) {
      const label = labels[image * pixels + p];
      visit(plane * pixels + p, plane * count + label, sizes[image][label]);
    }
  }
}

/** Means over regions, `[N,C,1,S]`. */
export function regionMeanReference(
  x: HostArray,
  labels: readonly number[],
  count: number,
): HostArray {
  const y = hostArray([x.shape[0], x.shape[1], 1, count]);
  forEachPixel(x.shape, labels, count, (pixel, mean, size) => {
    y.data[mean] += x.data[pixel] / size;
  });
  return y;
}

export function regionMeanGradientReference(
  x: HostArray,
  labels: readonly number[],
  count: number,
  dy: HostArray,
): HostArray {
  const dx = hostArray(x.shape);
  forEachPixel(x.shape, labels, count, (pixel, mean, size) => {
    dx.data[pixel] = dy.data[mean] / size;
  });
  return dx;
}

/** Calls `visit` with the elements of every position's channels. */
function forEachVector({ shape }: HostArray, visit: (elements: readonly number[]) => void): void {
  const [batch, channels] = shape;
  const positions = sizeOf(shape.slice(2));
  for (let n = 0; n < batch; n++) {
    for (let p = 0; p < positions; p++) {
      visit(Array.from({ length: channels }, (_, c) => (n * channels + c) * positions + p));
    }
  }
}

/** x/(‖x‖ + ε) over channels. */
export function unitLengthReference(x: HostArray, epsilon: number): HostArray {
  const y = hostArray(x.shape);
  forEachVector(x, (elements) => {
    const radius = Math.hypot(...elements.map((i) => x.data[i]));
    for (const i of elements) y.data[i] = x.data[i] / (radius + epsilon);
  });
  return y;
}

/** Its gradient by the quotient rule; where ‖x‖ is 0 it counts as constant. */
export function unitLengthGradientReference(
  x: HostArray,
  epsilon: number,
  dy: HostArray,
): HostArray {
  const dx = hostArray(x.shape);
  forEachVector(x, (elements) => {
    const radius = Math.hypot(...elements.map((i) => x.data[i]));
    const length = radius + epsilon;
    let dLength = 0;
    for (const i of elements) {
      dx.data[i] = dy.data[i] / length;
      dLength -= (dy.data[i] * x.data[i]) / length ** 2;
    }
    if (radius > 0) for (const i of elements) dx.data[i] += (dLength * x.data[i]) / radius;
  });
  return dx;
}

/** Likelihoods of the existing regions of a row, by region; 0 for the others. */
function likelihoods(row: Float64Array, exists: readonly boolean[]): number[] {
  const largest = row.reduce((most, x, j) => (exists[j] ? Math.max(most, x) : most), -Infinity);
  const raised = [...row].map((x, j) => (exists[j] ? Math.exp(x - largest) : 0));
  const total = raised.reduce((sum, value) => sum + value, 0);
  return raised.map((value) => value / total);
}

/** Calls `visit` for the rows of existing regions: likelihoods, and where the row begins. */
function forEachRow(
  x: HostArray,
  labels: readonly number[],
  visit: (row: number, own: number, likelihood: readonly number[], share: number) => void,
): void {
  const [images, count] = x.shape;
  const exists = regionSizes(labels, images, count).map((sizes) => sizes.map((size) => size > 0));
  const share = 1 / exists.flat().filter(Boolean).length;
  for (let row = 0; row < images * count; row++) {
    const image = Math.floor(row / count);
    const own = row % count;
    if (!exists[image][own]) continue;
    const values = x.data.subarray(row * count, (row + 1) * count);
    visit(row, own, likelihoods(values, exists[image]), share);
  }
}

/** -share·log of the diagonal's likelihood, `[N,S]`. */
export function infoNceReference(x: HostArray, labels: readonly number[]): HostArray {
  const y = hostArray(x.shape.slice(0, 2));
  forEachRow(x, labels, (row, own, likelihood, share) => {
    y.data[row] = -share * Math.log(likelihood[own]);
  });
  return y;
}

export function infoNceGradientReference(
  x: HostArray,
  labels: readonly number[],
  dy: HostArray,
): HostArray {
  const dx = hostArray(x.shape);
  forEachRow(x, labels, (row, own, likelihood, share) => {
    likelihood.forEach((value, j) => {
      const slope = share * (value - (j === own ? 1 : 0));
      dx.data[row * likelihood.length + j] = dy.data[row] * slope;
    });
  });
  return dx;
}
