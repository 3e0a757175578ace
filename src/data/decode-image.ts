/**
 * PNG and JPEG bytes to grey images, browser-safe: the same pixels as when the programs read files
 * (`image.node.ts`), whatever a browser's own codecs make of colour profiles and 16 bits.
 */
import { type DecodedPng, decode as decodePngFile } from 'fast-png';
import jpeg from 'jpeg-js';
import { DataError } from '../errors.ts';
import { type GrayImage, grayFromRgba } from './image.ts';
import { checkPngComplete, readImageHeader } from './image-header.ts';

/** Places in a PNG's header chunk, from the beginning of the file. */
const DEPTH_BYTE = 24;
const INTERLACE_BYTE = 28;

/**
 * Decodes a PNG (1 to 16 bits; grey, RGB, palette, alpha; interlaced from 8 bits on) or a baseline or progressive
 * JPEG, told apart by content, to grey in [0, 1] (`grayFromRgba`).
 * @param name names the image in errors
 * @throws DataError when the bytes are another format, damaged, truncated or of an impossible size;
 *   the size is looked at before anything is decoded
 */
export function decodeImage(bytes: Uint8Array, name: string): GrayImage {
  const { format } = readImageHeader(bytes, name);
  try {
    return format === 'png' ? decodePng(bytes, name) : decodeJpeg(bytes);
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    const reason = (cause instanceof Error ? cause.message : String(cause)).split('\n')[0];
    throw new DataError(
      `${name}: expected a readable ${format.toUpperCase()} image, found damage: ${reason}`,
      { cause },
    );
  }
}

function decodePng(bytes: Uint8Array, name: string): GrayImage {
  checkPngComplete(bytes, name);
  const isInterlaced = bytes[INTERLACE_BYTE] !== 0;
  if (isInterlaced && bytes[DEPTH_BYTE] < 8) {
    throw new DataError(
      `${name}: interlaced PNG of ${bytes[DEPTH_BYTE]} bits: not read here, save it without interlacing`,
    );
  }
  const png = decodePngFile(bytes, { checkCrc: true });
  const { width, height, depth } = png;
  const samples = rgbaSamples(png);
  return grayFromRgba(width, height, samples, depth === 16 ? 65535 : 255).image;
}

/** RGBA samples, of 16 bits if the file has them, else of 8. */
function rgbaSamples(png: DecodedPng): Uint16Array | Uint8Array {
  const { width, height, depth, channels, palette, transparency } = png;
  const pixels = width * height;
  const deep = depth === 16;
  const maximum = deep ? 65535 : 255;
  const rgba = deep ? new Uint16Array(4 * pixels) : new Uint8Array(4 * pixels);
  const data = depth < 8 ? unpackSamples(png) : png.data;
  if (palette) {
    for (let i = 0; i < pixels; i++) {
      const colour = palette[data[i]];
      if (!colour) throw new Error(`pixel ${i} has colour ${data[i]} of ${palette.length}`);
      rgba.set([colour[0], colour[1], colour[2], colour[3] ?? 255], 4 * i);
    }
    return rgba;
  }
  const colour = channels >= 3;
  const scale = depth < 8 ? 255 / (2 ** depth - 1) : 1;
  for (let i = 0; i < pixels; i++) {
    const first = i * channels;
    const isKey = transparency?.length
      ? Array.from({ length: colour ? 3 : 1 }, (_, k) => data[first + k] === transparency[k]).every(
          Boolean,
        )
      : false;
    const alpha = channels % 2 === 0 ? data[first + channels - 1] : isKey ? 0 : maximum;
    for (let k = 0; k < 3; k++) rgba[4 * i + k] = data[first + (colour ? k : 0)] * scale;
    rgba[4 * i + 3] = alpha;
  }
  return rgba;
}

/** One element a sample, of rows packed with 1, 2 or 4 bits a sample from the left. */
function unpackSamples({ width, height, depth, data }: DecodedPng): Uint8Array {
  const stride = Math.ceil((width * depth) / 8);
  const samples = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      const shift = 8 - depth - (bit & 7);
      samples[y * width + x] = (data[y * stride + (bit >> 3)] >> shift) & (2 ** depth - 1);
    }
  }
  return samples;
}

function decodeJpeg(bytes: Uint8Array): GrayImage {
  const { width, height, data } = jpeg.decode(bytes, {
    useTArray: true,
    formatAsRGBA: true,
    tolerantDecoding: false,
    maxResolutionInMP: 34,
    maxMemoryUsageInMB: 2048,
  });
  return grayFromRgba(width, height, data).image;
}
