/**
 * Grey images in memory, browser-safe.
 *
 * Nothing here touches files: decoding from and writing to disk is in `image.node.ts`, the only
 * kind of file (`*.node.ts`) of this folder that may import `node:` modules. A browser decodes with
 * a canvas and hands the RGBA bytes to {@link grayFromRgba}.
 */
import { encode } from 'fast-png';
import { DataError } from '../errors.ts';

/** A grey image: `data[y * width + x]` in [0, 1], 0 black. */
export interface GrayImage {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}

/** Images with more pixels than this are refused before anything is allocated for them. */
export const MAX_IMAGE_PIXELS = 2 ** 25;

/**
 * Checks a declared image size before memory is allocated for it.
 * @throws DataError naming `name` when a side is not a positive whole number or the area exceeds
 *   {@link MAX_IMAGE_PIXELS}
 */
export function checkImageSize(width: number, height: number, name: string): void {
  const whole = Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0;
  if (!whole || width * height > MAX_IMAGE_PIXELS) {
    throw new DataError(
      `${name}: image size must be between 1 and ${MAX_IMAGE_PIXELS} pixels, found ${width}x${height}`,
    );
  }
}

/** A black image of the given size. */
export function blankImage(width: number, height: number): GrayImage {
  checkImageSize(width, height, 'new image');
  return { width, height, data: new Float32Array(width * height) };
}

/** A grey image made from colour samples, and whether anything was lost on the way. */
export interface GrayConversion {
  readonly image: GrayImage;
  /** Some pixel had differing red, green and blue. */
  readonly colour: boolean;
  /** Some pixel was not opaque; it was laid over black. */
  readonly transparent: boolean;
}

/**
 * Grey from interleaved RGBA samples: luma 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601, what the
 * challenge loaders' conversion to "L" computes), times alpha, i.e. laid over black, the background
 * of a B-mode screen. Pixels with R = G = B keep their value exactly.
 *
 * @param samples `4 * width * height` integers in [0, maximum]
 * @param maximum the sample that means 1: 255 or 65535
 */
export function grayFromRgba(
  width: number,
  height: number,
  samples: ArrayLike<number>,
  maximum = 255,
): GrayConversion {
  if (samples.length !== 4 * width * height) {
    throw new DataError(
      `RGBA samples: expected ${4 * width * height} for ${width}x${height}, found ${samples.length}`,
    );
  }
  const data = new Float32Array(width * height);
  let colour = false;
  let transparent = false;
  for (let i = 0; i < data.length; i++) {
    const red = samples[4 * i] as number;
    const green = samples[4 * i + 1] as number;
    const blue = samples[4 * i + 2] as number;
    const alpha = samples[4 * i + 3] as number;
    let value = red;
    if (red !== green || red !== blue) {
      colour = true;
      value = 0.299 * red + 0.587 * green + 0.114 * blue;
    }
    if (alpha !== maximum) {
      transparent = true;
      value *= alpha / maximum;
    }
    data[i] = value / maximum;
  }
  return { image: { width, height, data }, colour, transparent };
}

/**
 * 8-bit samples of an image: round(255 v), v clamped to [0, 1].
 * @throws DataError when a pixel is NaN
 */
export function quantise(image: GrayImage): Uint8Array {
  const bytes = new Uint8Array(image.data.length);
  for (let i = 0; i < bytes.length; i++) {
    const value = image.data[i] as number;
    if (Number.isNaN(value)) {
      throw new DataError(
        `image: pixel ${i % image.width},${Math.floor(i / image.width)} is not a number`,
      );
    }
    bytes[i] = Math.round(255 * Math.min(1, Math.max(0, value)));
  }
  return bytes;
}

/**
 * An 8-bit grey PNG file, values rounded (not truncated) to 1/255.
 * @throws DataError when the size is impossible or a pixel is NaN
 */
export function encodePng(image: GrayImage): Uint8Array {
  const { width, height } = image;
  checkImageSize(width, height, 'PNG to write');
  return encode({ width, height, data: quantise(image), channels: 1, depth: 8 });
}
