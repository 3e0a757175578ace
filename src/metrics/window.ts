import { ShapeError } from '../errors.ts';

/** A grey image with values in [0, 1], row-major, `height * width` samples. */
export type MetricImage = Float64Array | Float32Array;

/** An f64 map of window statistics, row-major. */
export interface Plane {
  readonly data: Float64Array;
  readonly height: number;
  readonly width: number;
}

/**
 * What a window sees outside the image: `valid` windows never leave it and the map shrinks;
 * `reflect` mirrors about the border sample without repeating it (PyTorch's `reflect`);
 * `zero` sees zeros.
 */
export type Border = 'valid' | 'reflect' | 'zero';

/**
 * Checks that two images fit the stated size.
 * @throws ShapeError when a side is not a positive whole number or a length is not height * width
 */
export function requireImagePair(
  metric: string,
  a: MetricImage,
  b: MetricImage,
  height: number,
  width: number,
): void {
  if (!Number.isInteger(height) || !Number.isInteger(width) || height < 1 || width < 1) {
    throw new ShapeError(
      `${metric}: height and width must be positive whole numbers, found ${height}x${width}`,
    );
  }
  if (a.length !== height * width || b.length !== height * width) {
    throw new ShapeError(
      `${metric}: two images of ${height}x${width} need ${height * width} samples each, found ${a.length} and ${b.length}`,
    );
  }
}

/** A window of `size` equal weights that sum to one. */
export function boxWindow(size: number): Float64Array {
  return new Float64Array(size).fill(1 / size);
}

/**
 * A normalised Gaussian window, w(i) = exp(-i^2 / 2 sigma^2) / sum, for i = -size/2 .. size/2.
 *
 * With `precision` `f32` the weights are those of a window built in single precision, as
 * pytorch-msssim builds its own (`_fspecial_gauss_1d`), bit for bit for size 11 and sigma 1.5.
 */
export function gaussianWindow(
  size: number,
  sigma: number,
  precision: 'f32' | 'f64',
): Float64Array {
  const round = precision === 'f32' ? Math.fround : (value: number) => value;
  const centre = Math.floor(size / 2);
  const weights = new Float64Array(size);
  let sum = 0;
  for (let i = 0; i < size; i++) {
    const weight = round(Math.exp(round(-((i - centre) ** 2) / round(2 * sigma ** 2))));
    weights[i] = weight;
    sum += weight;
  }
  sum = round(sum);
  for (let i = 0; i < size; i++) weights[i] = round((weights[i] as number) / sum);
  return weights;
}

/** Index of the sample seen at position `i` of a line of `length`, or -1 for a zero. */
function sampleIndex(i: number, length: number, border: Border): number {
  if (i >= 0 && i < length) return i;
  if (border === 'zero') return -1;
  return i < 0 ? -i : 2 * (length - 1) - i;
}

/**
 * Correlates an image with the separable window `window ⊗ window`, in double precision.
 *
 * @param window odd length
 * @returns a map of the image's size, or smaller by `window.length - 1` a side for `valid`
 * @throws ShapeError when the image is smaller than the window needs
 */
export function filterSeparable(
  metric: string,
  image: MetricImage,
  height: number,
  width: number,
  window: Float64Array,
  border: Border,
): Plane {
  const size = window.length;
  const radius = (size - 1) / 2;
  const shortest = border === 'valid' ? size : border === 'reflect' ? radius + 1 : 1;
  if (Math.min(height, width) < shortest) {
    throw new ShapeError(
      `${metric}: a ${size}x${size} window needs an image of at least ${shortest}x${shortest}, found ${height}x${width}`,
    );
  }
  const offset = border === 'valid' ? 0 : -radius;
  const outWidth = border === 'valid' ? width - size + 1 : width;
  const outHeight = border === 'valid' ? height - size + 1 : height;
  const rows = new Float64Array(height * outWidth);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < outWidth; x++) {
      let sum = 0;
      for (let k = 0; k < size; k++) {
        const column = sampleIndex(x + offset + k, width, border);
        if (column >= 0) sum += (window[k] as number) * (image[y * width + column] as number);
      }
      rows[y * outWidth + x] = sum;
    }
  }
  const data = new Float64Array(outHeight * outWidth);
  for (let y = 0; y < outHeight; y++) {
    for (let k = 0; k < size; k++) {
      const row = sampleIndex(y + offset + k, height, border);
      if (row < 0) continue;
      const weight = window[k] as number;
      for (let x = 0; x < outWidth; x++) {
        const i = y * outWidth + x;
        data[i] = (data[i] as number) + weight * (rows[row * outWidth + x] as number);
      }
    }
  }
  return { data, height: outHeight, width: outWidth };
}

/** First and second raw moments of a pair of images under one window. */
export interface PairMoments {
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly xx: Float64Array;
  readonly yy: Float64Array;
  readonly xy: Float64Array;
  readonly height: number;
  readonly width: number;
}

/**
 * Window averages E[x], E[y], E[x^2], E[y^2], E[xy] (sums, when the window does not sum to one).
 * @throws ShapeError as {@link filterSeparable}
 */
export function pairMoments(
  metric: string,
  a: MetricImage,
  b: MetricImage,
  height: number,
  width: number,
  window: Float64Array,
  border: Border,
): PairMoments {
  requireImagePair(metric, a, b, height, width);
  const product = (p: MetricImage, q: MetricImage) =>
    Float64Array.from(p, (value, i) => value * (q[i] as number));
  const filter = (image: MetricImage) =>
    filterSeparable(metric, image, height, width, window, border);
  const x = filter(a);
  return {
    x: x.data,
    y: filter(b).data,
    xx: filter(product(a, a)).data,
    yy: filter(product(b, b)).data,
    xy: filter(product(a, b)).data,
    height: x.height,
    width: x.width,
  };
}
