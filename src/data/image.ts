/**
 * Grey images in memory, browser-safe.
 *
 * Nothing here touches files: decoding from and writing to disk is in `image.node.ts`, the only
 * kind of file (`*.node.ts`) of this folder that may import `node:` modules. A browser decodes with
 * a canvas and hands the RGBA bytes to {@link grayFromRgba}.
 */
import { zlibSync } from 'fflate';
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

const PNG_SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value >>> 0;
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (CRC_TABLE[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function pngChunk(type: string, body: Uint8Array): Uint8Array {
  const chunk = new Uint8Array(12 + body.length);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, body.length);
  for (let i = 0; i < 4; i++) chunk[4 + i] = type.charCodeAt(i);
  chunk.set(body, 8);
  view.setUint32(8 + body.length, crc32(chunk.subarray(4, 8 + body.length)));
  return chunk;
}

/**
 * An 8-bit grey PNG file, values rounded (not truncated) to 1/255. Rows use the "up" filter, which
 * suits smooth vertical structure; the result is the same on every machine.
 * @throws DataError when the size is impossible or a pixel is NaN
 */
export function encodePng(image: GrayImage): Uint8Array {
  const { width, height } = image;
  checkImageSize(width, height, 'PNG to write');
  const pixels = quantise(image);
  const rows = new Uint8Array(height * (width + 1));
  for (let y = 0; y < height; y++) {
    const row = y * (width + 1);
    rows[row] = 2;
    for (let x = 0; x < width; x++) {
      const above = y > 0 ? (pixels[(y - 1) * width + x] as number) : 0;
      rows[row + 1 + x] = (pixels[y * width + x] as number) - above;
    }
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header[8] = 8; // bit depth; colour type 0 = grey, then default compression, filter, no interlace
  const parts = [
    PNG_SIGNATURE,
    pngChunk('IHDR', header),
    pngChunk('IDAT', zlibSync(rows)),
    pngChunk('IEND', new Uint8Array(0)),
  ];
  const file = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    file.set(part, offset);
    offset += part.length;
  }
  return file;
}
