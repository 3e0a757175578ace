import { ShapeError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type Moment, oncePerMoment } from '../gpu/moment.ts';
import type { HostData } from '../gpu/program.ts';
import type { Storage } from '../gpu/storage.ts';

/** Every pixel's region, of a batch of images, on a device; made by `uploadRegions`. */
export interface Regions {
  readonly images: number;
  readonly height: number;
  readonly width: number;
  /** Regions that an image may have, S; labels are below it. Some may have no pixel. */
  readonly count: number;
  /** u32 `[N,H·W]`: each pixel's region. */
  readonly labels: Storage;
  /** u32 `[N,H·W]`: the pixels of region 0, then of region 1, …, each in reading order. */
  readonly order: Storage;
  /** u32 `[N,S+1]`: where each region's pixels begin in `order`. */
  readonly starts: Storage;
  /** f32 `[1]`: 1 over the number of regions with at least one pixel, of all images together. */
  readonly share: Storage;
}

/** Every pixel's region of a batch, `[N,H,W]`, row-major, whole numbers from 0 below the count. */
export type RegionLabels = ArrayLike<number>;

/** What is uploaded, as `Regions` has it. */
interface SortedRegions {
  readonly labels: Uint32Array;
  readonly order: Uint32Array;
  readonly starts: Uint32Array;
  readonly nonEmpty: number;
}

/**
 * Sorts pixels by region and brings the lists to a device; they belong to the innermost scope.
 * @param labels of a step that is replayed, too: in a function of the moment
 * @throws ShapeError if their number does not fit or a label is out of range
 */
export function uploadRegions(
  gpu: Gpu,
  labels: RegionLabels | ((moment?: Moment) => RegionLabels),
  extents: readonly [images: number, height: number, width: number],
  count: number,
): Regions {
  const [images, height, width] = extents;
  const labelsAt = typeof labels === 'function' ? labels : () => labels;
  const sortedAt = oncePerMoment((moment) => sortRegions(labelsAt(moment), extents, count));
  const upload = (make: (sorted: SortedRegions) => HostData): Storage =>
    typeof labels === 'function'
      ? gpu.uploadEachTime((moment) => make(sortedAt(moment)))
      : gpu.upload(make(sortedAt()));
  return {
    images,
    height,
    width,
    count,
    labels: upload((sorted) => sorted.labels),
    order: upload(({ order }) => order),
    starts: upload(({ starts }) => starts),
    share: upload(({ nonEmpty }) => Float32Array.of(1 / nonEmpty)),
  };
}

function sortRegions(
  labels: RegionLabels,
  [images, height, width]: readonly [number, number, number],
  count: number,
): SortedRegions {
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
  return { labels: own, order, starts, nonEmpty };
}
