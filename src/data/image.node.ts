/** Image files: read PNG and JPEG as grey, write PNG. Node only; see `image.ts` for the rest. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import jpeg from 'jpeg-js';
import { PNG } from 'pngjs';
import { DataError } from '../errors.ts';
import { readFailure, writeError } from '../files.ts';
import { encodePng, type GrayConversion, type GrayImage, grayFromRgba } from './image.ts';
import { checkPngComplete, type ImageHeader, readImageHeader } from './image-header.ts';

/** Told what a reader changed in an image that is not plain grey. */
export type ImageNotice = (path: string, message: string) => void;

/**
 * A notice that reports one line a folder however many of its images it concerns.
 * @param report receives e.g. `data/low_quality: colour images are converted to grey (first: 1.png)`
 */
export function noticeOncePerFolder(report: (line: string) => void): ImageNotice {
  const said = new Set<string>();
  return (path, message) => {
    const folder = dirname(path);
    const key = `${folder}\n${message}`;
    if (said.has(key)) return;
    said.add(key);
    report(`${folder}: ${message} (first: ${path.slice(folder.length + 1)})`);
  };
}

function decodePng(bytes: Uint8Array, header: ImageHeader, name: string): GrayConversion {
  checkPngComplete(bytes, name);
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // By default pngjs rescales every depth to 8 bits; 16-bit samples are kept whole instead.
  const deep = header.depth === 16;
  const png = PNG.sync.read(buffer, { skipRescale: deep });
  return grayFromRgba(png.width, png.height, png.data, deep ? 65535 : 255);
}

function decodeJpeg(bytes: Uint8Array): GrayConversion {
  const decoded = jpeg.decode(bytes, {
    useTArray: true,
    formatAsRGBA: true,
    tolerantDecoding: false,
    maxResolutionInMP: 34,
    maxMemoryUsageInMB: 2048,
  });
  return grayFromRgba(decoded.width, decoded.height, decoded.data);
}

/**
 * Decodes a PNG (1 to 16 bits; grey, RGB, palette, alpha, interlaced) or a baseline or progressive
 * JPEG, told apart by content, to grey in [0, 1] (see {@link grayFromRgba}).
 *
 * @param name names the image in errors and notices
 * @throws DataError when the bytes are another format, damaged, truncated or of an impossible size
 */
export function decodeImage(bytes: Uint8Array, name: string, notice?: ImageNotice): GrayImage {
  const header = readImageHeader(bytes, name);
  let conversion: GrayConversion;
  try {
    conversion = header.format === 'png' ? decodePng(bytes, header, name) : decodeJpeg(bytes);
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    const reason = (cause instanceof Error ? cause.message : String(cause)).split('\n')[0];
    const format = header.format === 'png' ? 'PNG' : 'JPEG';
    throw new DataError(`${name}: expected a readable ${format} image, found damage: ${reason}`, {
      cause,
    });
  }
  if (conversion.colour) notice?.(name, 'colour images are converted to grey');
  if (conversion.transparent) notice?.(name, 'transparent images are laid over black');
  return conversion.image;
}

function unreadable(path: string, cause: unknown): DataError {
  return new DataError(`${path}: cannot be read: ${readFailure(cause)}`, { cause });
}

/**
 * Reads one image file as grey; see {@link decodeImage}.
 * @throws DataError naming the file
 */
export function readImage(path: string, notice?: ImageNotice): GrayImage {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
  return decodeImage(bytes, path, notice);
}

/** {@link readImage} that leaves the thread free while the file is fetched. */
export async function readImageAsync(path: string, notice?: ImageNotice): Promise<GrayImage> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
  return decodeImage(bytes, path, notice);
}

const HEADER_BYTES = 65536;

/**
 * Format and size of an image file without decoding it.
 * @throws DataError naming the file when it cannot be read or is not an image
 */
export function probeImage(path: string): ImageHeader {
  let head: Uint8Array;
  try {
    const file = openSync(path, 'r');
    try {
      const buffer = new Uint8Array(HEADER_BYTES);
      head = buffer.subarray(0, readSync(file, buffer, 0, HEADER_BYTES, 0));
    } finally {
      closeSync(file);
    }
    // A JPEG may carry metadata of any length before its size.
    if (head.length === HEADER_BYTES && head[0] === 0xff) head = readFileSync(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
  return readImageHeader(head, path);
}

/**
 * Writes an 8-bit grey PNG atomically (temporary neighbour, fsync, rename), values rounded; see
 * {@link encodePng}. Synchronous, for programs that write a picture between two steps.
 * @throws DataError naming the file when it cannot be written; the temporary file is removed
 */
export function writePng(path: string, image: GrayImage): void {
  const bytes = encodePng(image);
  const suffix = randomBytes(6).toString('hex');
  const temporary = join(dirname(path), `.${basename(path)}.tmp-${suffix}`);
  try {
    writeFileSync(temporary, bytes, { flag: 'wx', flush: true });
    renameSync(temporary, path);
  } catch (error) {
    try {
      rmSync(temporary, { force: true });
    } catch {
      // What went wrong first is what the user must hear.
    }
    throw writeError(path, error);
  }
}
