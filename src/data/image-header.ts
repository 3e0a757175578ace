/**
 * What an image file says about itself, read from its bytes alone (the file's name is not trusted):
 * format, size, bit depth. Browser-safe.
 */
import { DataError } from '../errors.ts';
import { checkImageSize } from './image.ts';

export interface ImageHeader {
  readonly format: 'png' | 'jpeg';
  readonly width: number;
  readonly height: number;
  /** Bits a sample. */
  readonly depth: number;
}

function startsWith(bytes: Uint8Array, prefix: readonly number[]): boolean {
  return bytes.length >= prefix.length && prefix.every((byte, i) => bytes[i] === byte);
}

function describeStart(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'an empty file';
  const start = [...bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, '0'));
  return `a file that starts with bytes ${start.join(' ')}`;
}

function truncated(name: string, format: string): DataError {
  return new DataError(`${name}: expected a complete ${format} file, found a truncated one`);
}

function readPngHeader(bytes: Uint8Array, name: string): ImageHeader {
  if (bytes.length < 33) throw truncated(name, 'PNG');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(8) !== 13 || view.getUint32(12) !== 0x49484452) {
    throw new DataError(`${name}: expected a PNG header chunk (IHDR) first, found another`);
  }
  return {
    format: 'png',
    width: view.getUint32(16),
    height: view.getUint32(20),
    depth: view.getUint8(24),
  };
}

function readJpegHeader(bytes: Uint8Array, name: string): ImageHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = 2;
  while (offset + 9 < bytes.length) {
    const marker = view.getUint8(offset + 1);
    if (view.getUint8(offset) !== 0xff) {
      throw new DataError(
        `${name}: expected a JPEG marker at byte ${offset}, found other data (damaged file)`,
      );
    }
    if (marker === 0xff) {
      offset += 1; // fill byte
      continue;
    }
    // Start-of-frame markers C0..CF, except the tables C4 (Huffman), C8 (reserved), CC (arithmetic).
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return {
        format: 'jpeg',
        width: view.getUint16(offset + 7),
        height: view.getUint16(offset + 5),
        depth: view.getUint8(offset + 4),
      };
    }
    offset += 2 + view.getUint16(offset + 2);
  }
  throw truncated(name, 'JPEG');
}

/**
 * Format, size and depth from the first bytes of a file. 64 KiB are enough for every PNG and for
 * JPEGs without large metadata; see `image.node.ts` for the retry with the whole file.
 *
 * @throws DataError naming `name` when the bytes are neither PNG nor JPEG, end too early, or declare
 *   an impossible size
 */
export function readImageHeader(bytes: Uint8Array, name: string): ImageHeader {
  let header: ImageHeader;
  if (startsWith(bytes, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) {
    header = readPngHeader(bytes, name);
  } else if (startsWith(bytes, [0xff, 0xd8, 0xff])) {
    header = readJpegHeader(bytes, name);
  } else {
    throw new DataError(`${name}: expected a PNG or JPEG image, found ${describeStart(bytes)}`);
  }
  checkImageSize(header.width, header.height, name);
  return header;
}

/**
 * Walks the chunks of a PNG file to its end.
 * @throws DataError when a chunk runs past the end of the file or IEND is missing
 */
export function checkPngComplete(bytes: Uint8Array, name: string): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = 8;
  while (offset + 12 <= bytes.length) {
    if (view.getUint32(offset + 4) === 0x49454e44) return; // IEND
    offset += 12 + view.getUint32(offset);
  }
  throw truncated(name, 'PNG');
}
