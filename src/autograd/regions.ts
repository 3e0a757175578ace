import { ShapeError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Storage } from '../gpu/storage.ts';

/** Every pixel's region, of a batch of images, on a device; made by `uploadRegions`. */
export interface Regions {
  readonly images: number;
  readonly height: number;
  readonly width: number;
  /** Regions that an image may have, S; labels are below it. Some may have no pixel. */
  readonly count: number;
  /** Regions with at least one pixel, of all images together. */
  readonly nonEmpty: number;
  /** u32 `[N,H·W]`: each pixel's region. */
  readonly labels: Storage;
  /** u32 `[N,H·W]`: the pixels of region 0, then of region 1, …, each in reading order. */
  readonly order: Storage;
  /** u32 `[N,S+1]`: where each region's pixels begin in `order`. */
  readonly starts: Storage;
  /** f32 `[1]`: 1/nonEmpty. */
  readonly share: Storage;
}

/**
 * Sorts pixels by region and brings the lists to a device; they belong to the innermost scope.
 * @param labels `[N,H,W]`, row-major, whole numbers from 0 below `count`
 * @throws ShapeError if their number does not fit or a label is out of range
 */
export function uploadRegions(
  gpu: Gpu,
  labels: ArrayLike<number>,
  [images, height, width]: readonly [number, number, number],
  count: number,
): Regions {
  const pixels = height * width;
  if (labels.length !== images * pixels || labels.length === 0) {
    throw new ShapeError(
      `regions of ${images} images of ${height}x${width} need as many labels, found ${labels.length}`,
    );
  }
  const own = Uint32Array.from(labels);
  const order = new Uint32Array(own.length);
  const starts = new Uint32Array(images * (count + 1));
  let nonEmpty = 0;
  for (let image = 0; image < images; image++) {
    const first = image * pixels;
    const begins = starts.subarray(image * (count + 1), (image + 1) * (count + 1));
    for (let p = first; p < first + pixels; p++) {
      if (!(own[p] < count) || own[p] !== labels[p]) {
        throw new ShapeError(
          `regions: expected labels from 0 below ${count}, found ${labels[p]} at pixel ${p - first} of image ${image}`,
        );
      }
      begins[own[p] + 1]++;
    }
    for (let region = 0; region < count; region++) {
      if (begins[region + 1] > 0) nonEmpty++;
      begins[region + 1] += begins[region];
    }
    const next = begins.slice();
    for (let p = 0; p < pixels; p++) order[first + next[own[first + p]]++] = p;
  }
  return {
    images,
    height,
    width,
    count,
    nonEmpty,
    labels: gpu.upload(own),
    order: gpu.upload(order),
    starts: gpu.upload(starts),
    share: gpu.upload(Float32Array.of(1 / nonEmpty)),
  };
}
