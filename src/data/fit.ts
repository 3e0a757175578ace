/**
 * From an image of any size to a square of the network's size, browser-safe.
 *
 * `crop` keeps the pixel pitch, hence the speckle; `resize` keeps the field of view.
 */
import type { RandomStream } from '../autograd/philox.ts';
import { checkImageSize, type GrayImage } from './image.ts';

export const FIT_MODES = ['crop', 'resize'] as const;
export type FitMode = (typeof FIT_MODES)[number];

/** Top left corner of a window; negative where the image is smaller and reflection fills in. */
export interface CropOrigin {
  readonly x: number;
  readonly y: number;
}

/** Position of `index` in a line of `length` after reflection that does not repeat the edge. */
function reflect(index: number, length: number): number {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const folded = ((index % period) + period) % period;
  return folded < length ? folded : period - folded;
}

function startOfCentre(length: number, size: number): number {
  return Math.floor((length - size) / 2);
}

/** The corner of the central `size`-square; halves round towards the top left. */
export function centreCrop(width: number, height: number, size: number): CropOrigin {
  return { x: startOfCentre(width, size), y: startOfCentre(height, size) };
}

/**
 * The corner of a random `size`-square inside the image, x drawn before y. A side shorter than
 * `size` is centred and draws nothing.
 */
export function randomCrop(
  width: number,
  height: number,
  size: number,
  random: RandomStream,
): CropOrigin {
  const x = width > size ? random.integer(width - size + 1) : startOfCentre(width, size);
  const y = height > size ? random.integer(height - size + 1) : startOfCentre(height, size);
  return { x, y };
}

/** The `size`-square at `origin`; outside the image it continues by reflection (edge not doubled). */
export function cropImage(image: GrayImage, size: number, origin: CropOrigin): GrayImage {
  checkImageSize(size, size, 'crop');
  const data = new Float32Array(size * size);
  const columns = Int32Array.from({ length: size }, (_, x) => reflect(origin.x + x, image.width));
  for (let y = 0; y < size; y++) {
    const row = reflect(origin.y + y, image.height) * image.width;
    for (let x = 0; x < size; x++) {
      data[y * size + x] = image.data[row + (columns[x] as number)] as number;
    }
  }
  return { width: size, height: size, data };
}

interface Taps {
  readonly start: number;
  readonly weights: Float64Array;
}

/** Triangle-filter taps of each output sample, widened by the scale when shrinking. */
function triangleTaps(from: number, to: number): Taps[] {
  const scale = from / to;
  const support = Math.max(1, scale);
  return Array.from({ length: to }, (_, index) => {
    const centre = (index + 0.5) * scale;
    const start = Math.max(0, Math.ceil(centre - support - 0.5));
    const end = Math.min(from - 1, Math.floor(centre + support - 0.5));
    const weights = new Float64Array(end - start + 1);
    let sum = 0;
    for (let k = 0; k < weights.length; k++) {
      const weight = Math.max(0, 1 - Math.abs(start + k + 0.5 - centre) / support);
      weights[k] = weight;
      sum += weight;
    }
    for (let k = 0; k < weights.length; k++) weights[k] = (weights[k] as number) / sum;
    return { start, weights };
  });
}

/**
 * Antialiased bilinear resize to `width` x `height` (half-pixel centres; a triangle filter as wide as
 * the shrink factor, as in Pillow's BILINEAR). The aspect ratio is not kept.
 */
export function resizeImage(image: GrayImage, width: number, height: number): GrayImage {
  checkImageSize(width, height, 'resize');
  if (width === image.width && height === image.height) return image;
  const columns = triangleTaps(image.width, width);
  const rows = triangleTaps(image.height, height);
  const wide = new Float32Array(width * image.height);
  for (let y = 0; y < image.height; y++) {
    for (const [x, { start, weights }] of columns.entries()) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) {
        sum += (weights[k] as number) * (image.data[y * image.width + start + k] as number);
      }
      wide[y * width + x] = sum;
    }
  }
  const data = new Float32Array(width * height);
  for (const [y, { start, weights }] of rows.entries()) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) {
        sum += (weights[k] as number) * (wide[(start + k) * width + x] as number);
      }
      data[y * width + x] = sum;
    }
  }
  return { width, height, data };
}

/** The mirror image, left and right exchanged. */
export function flipImage(image: GrayImage): GrayImage {
  const { width, height } = image;
  const data = new Float32Array(image.data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      data[y * width + x] = image.data[y * width + width - 1 - x] as number;
    }
  }
  return { width, height, data };
}
