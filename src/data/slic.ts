/**
 * SLIC superpixels (Achanta et al., "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods", PAMI
 * 2012) of grey images, browser-safe and deterministic.
 *
 * k-means of (intensity, x, y) from a grid of centres, each pixel looking only at centres nearby. Intensities
 * count in percent of black to white, which is the range of the publication's CIELAB lightness, so that its
 * compactness means the same.
 */
import { UsageError } from '../errors.ts';
import { mergeSmallRegions } from './merge-regions.ts';

export interface SlicOptions {
  /** About how many superpixels; the grid that comes closest decides. */
  readonly segments: number;
  /** Weight of distance in space against intensity; the publication's 10. */
  readonly compactness: number;
  /** Rounds of k-means; default 10, as published. */
  readonly rounds?: number;
}

/** Smallest superpixel, in shares of a grid cell. */
const SMALLEST = 0.25;

/** Cells along both axes. */
interface Grid {
  readonly columns: number;
  readonly rows: number;
}

function gridOf(width: number, height: number, segments: number): Grid {
  if (!Number.isInteger(segments) || segments < 1) {
    throw new UsageError(`SLIC: expected a whole number of at least 1 segment, found ${segments}`);
  }
  const step = Math.sqrt((width * height) / segments);
  const cells = (length: number): number =>
    Math.max(1, Math.min(length, Math.round(length / step)));
  return { columns: cells(width), rows: cells(height) };
}

/** Most labels that `slic` gives an image of this size: the cells of its grid. */
export function slicCapacity(width: number, height: number, segments: number): number {
  const { columns, rows } = gridOf(width, height, segments);
  return columns * rows;
}

/** Cluster centres: position in pixels, intensity in percent. */
interface Centres {
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly intensity: Float64Array;
}

/**
 * Labels of an image's superpixels, 0, 1, … in the order in which they are first met in reading order. Every
 * superpixel is one connected piece (by edges) of at least a quarter of a grid cell; there are at most
 * `slicCapacity` of them.
 * @param image in [0,1], row-major
 * @throws UsageError if there is not at least one segment
 */
export function slic(
  image: ArrayLike<number>,
  width: number,
  height: number,
  { segments, compactness, rounds = 10 }: SlicOptions,
): Uint16Array {
  const grid = gridOf(width, height, segments);
  const count = grid.columns * grid.rows;
  const intensity = Float64Array.from({ length: width * height }, (_, i) => 100 * image[i]);
  const labels = new Uint16Array(width * height);
  labels.forEach((_, i) => {
    labels[i] = cellOf(i % width, Math.floor(i / width), width, height, grid);
  });
  const centres = gridCentres(intensity, width, height, grid);
  const step = Math.sqrt((width * height) / count);
  for (let round = 0; round < rounds; round++) {
    assign(labels, intensity, width, height, centres, step, compactness);
    recentre(centres, labels, intensity, width);
  }
  return mergeSmallRegions(labels, width, height, {
    smallest: Math.max(1, (SMALLEST * width * height) / count),
    most: count,
  });
}

function cellOf(x: number, y: number, width: number, height: number, grid: Grid): number {
  const column = Math.floor((x * grid.columns) / width);
  const row = Math.floor((y * grid.rows) / height);
  return row * grid.columns + column;
}

/** A centre in the middle of each cell, moved to the flattest of the nine pixels there, away from edges. */
function gridCentres(
  intensity: Float64Array,
  width: number,
  height: number,
  { columns, rows }: Grid,
): Centres {
  const at = (x: number, y: number): number =>
    intensity[Math.min(height - 1, Math.max(0, y)) * width + Math.min(width - 1, Math.max(0, x))];
  const slope = (x: number, y: number): number =>
    (at(x + 1, y) - at(x - 1, y)) ** 2 + (at(x, y + 1) - at(x, y - 1)) ** 2;
  const count = columns * rows;
  const centres = {
    x: new Float64Array(count),
    y: new Float64Array(count),
    intensity: new Float64Array(count),
  };
  for (let label = 0; label < count; label++) {
    const middleX = Math.floor((((label % columns) + 0.5) * width) / columns);
    const middleY = Math.floor(((Math.floor(label / columns) + 0.5) * height) / rows);
    let [bestX, bestY, least] = [middleX, middleY, slope(middleX, middleY)];
    for (let y = Math.max(0, middleY - 1); y <= Math.min(height - 1, middleY + 1); y++) {
      for (let x = Math.max(0, middleX - 1); x <= Math.min(width - 1, middleX + 1); x++) {
        if (slope(x, y) < least) [bestX, bestY, least] = [x, y, slope(x, y)];
      }
    }
    centres.x[label] = bestX;
    centres.y[label] = bestY;
    centres.intensity[label] = at(bestX, bestY);
  }
  return centres;
}

/**
 * Gives every pixel the nearest of the centres within `step` of it along both axes, the first of equals; a pixel
 * that no centre reaches keeps its label.
 */
function assign(
  labels: Uint16Array,
  intensity: Float64Array,
  width: number,
  height: number,
  centres: Centres,
  step: number,
  compactness: number,
): void {
  const nearest = new Float64Array(labels.length).fill(Number.POSITIVE_INFINITY);
  const weight = (compactness / step) ** 2;
  for (let label = 0; label < centres.x.length; label++) {
    const [cx, cy, ci] = [centres.x[label], centres.y[label], centres.intensity[label]];
    const lastY = Math.min(height - 1, Math.floor(cy + step));
    const firstX = Math.max(0, Math.ceil(cx - step));
    const lastX = Math.min(width - 1, Math.floor(cx + step));
    for (let y = Math.max(0, Math.ceil(cy - step)); y <= lastY; y++) {
      for (let x = firstX; x <= lastX; x++) {
        const i = y * width + x;
        const distance = (intensity[i] - ci) ** 2 + weight * ((x - cx) ** 2 + (y - cy) ** 2);
        if (distance < nearest[i]) {
          nearest[i] = distance;
          labels[i] = label;
        }
      }
    }
  }
}

/** Moves every centre to the mean of its pixels; one without pixels stays. */
function recentre(
  { x, y, intensity: centre }: Centres,
  labels: Uint16Array,
  intensity: Float64Array,
  width: number,
): void {
  const sums = new Float64Array(4 * x.length);
  labels.forEach((label, i) => {
    sums[4 * label]++;
    sums[4 * label + 1] += i % width;
    sums[4 * label + 2] += Math.floor(i / width);
    sums[4 * label + 3] += intensity[i];
  });
  for (let label = 0; label < x.length; label++) {
    const size = sums[4 * label];
    if (size === 0) continue;
    x[label] = sums[4 * label + 1] / size;
    y[label] = sums[4 * label + 2] / size;
    centre[label] = sums[4 * label + 3] / size;
  }
}

/** A label map at another size: each pixel takes the label at ⌊position·from/to⌋ (`torch` mode nearest). */
export function resizeLabels(
  labels: Uint16Array,
  [height, width]: readonly [number, number],
  [newHeight, newWidth]: readonly [number, number],
): Uint16Array {
  const resized = new Uint16Array(newHeight * newWidth);
  for (let y = 0; y < newHeight; y++) {
    const row = Math.floor((y * height) / newHeight) * width;
    for (let x = 0; x < newWidth; x++) {
      resized[y * newWidth + x] = labels[row + Math.floor((x * width) / newWidth)];
    }
  }
  return resized;
}
