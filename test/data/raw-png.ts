/** PNG files of any colour type, depth and interlacing, written chunk by chunk; no encoder here does all. */
import { deflateSync } from 'node:zlib';

export interface RawPng {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  /** PNG colour type. */
  readonly colour: number;
  readonly channels: number;
  readonly interlaced?: boolean;
  /** Rows of pixels in the file, where it is to lack some. */
  readonly rows?: number;
}

/** CRC of the PNG specification, appendix D; Node has it only since 20.15. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const result = Buffer.alloc(body.length + 8);
  result.writeUInt32BE(data.length, 0);
  body.copy(result, 4);
  result.writeUInt32BE(crc32(body), result.length - 4);
  return result;
}

function file(image: RawPng, extra: readonly Uint8Array[], pixels: Uint8Array): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(image.width, 0);
  header.writeUInt32BE(image.height, 4);
  header.set([image.depth, image.colour, 0, 0, image.interlaced ? 1 : 0], 8);
  return new Uint8Array(
    Buffer.concat([
      Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
      chunk('IHDR', header),
      ...extra,
      chunk('IDAT', deflateSync(pixels)),
      chunk('IEND', new Uint8Array()),
    ]),
  );
}

/** First column and row, then steps, of Adam7's passes; one pass of all without interlacing. */
const PASSES = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
];

/** Rows without a filter, of varied bytes that any depth can read. */
function rows({ width, height, depth, channels, interlaced, rows = height }: RawPng): Uint8Array {
  const bytes: number[] = [];
  for (const [x, y, stepX, stepY] of interlaced ? PASSES : [[0, 0, 1, 1]]) {
    const columns = Math.ceil((width - x) / stepX);
    const lines = Math.ceil((rows - y) / stepY);
    if (columns <= 0) continue;
    for (let line = 0; line < lines; line++) {
      bytes.push(0);
      const length = Math.ceil((columns * channels * depth) / 8);
      for (let i = 0; i < length; i++) bytes.push((bytes.length * 73 + 19 * line) & 0xff);
    }
  }
  return Uint8Array.from(bytes);
}

export function rawPng(image: RawPng): Uint8Array {
  return file(image, [], rows(image));
}

/** A picture of 11x5 with a full palette, half of whose colours are transparent to a degree. */
export function paletteImage(depth: number, alpha: boolean): Uint8Array {
  const image = { width: 11, height: 5, depth, colour: 3, channels: 1 };
  const count = 2 ** depth;
  const colours = Uint8Array.from({ length: 3 * count }, (_, i) => (i * 91 + 40) & 0xff);
  const shares = Uint8Array.from({ length: count >> 1 }, (_, i) => (i * 50) & 0xff);
  const extra = [chunk('PLTE', colours), ...(alpha ? [chunk('tRNS', shares)] : [])];
  return file(image, extra, rows(image));
}
