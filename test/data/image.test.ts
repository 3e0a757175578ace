import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import jpeg from 'jpeg-js';
import { PNG } from 'pngjs';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  decodeImage,
  noticeOncePerFolder,
  probeImage,
  readImage,
  writePng,
} from '../../src/data/image.node.ts';
import { checkImageSize, encodePng, type GrayImage, quantise } from '../../src/data/image.ts';
import { DataError } from '../../src/errors.ts';

const suite = createSuite('image');
const folder = mkdtempSync(join(tmpdir(), 'sonolift-image-'));
suite.after(() => rmSync(folder, { recursive: true }));

function ramp(width: number, height: number): GrayImage {
  const data = Float32Array.from({ length: width * height }, (_, i) => ((i * 7) % 256) / 255);
  return { width, height, data };
}

function rgbaPng(colorType: 0 | 2 | 4 | 6, bitDepth: 8 | 16, samples: number[]): Uint8Array {
  const channels = { 0: 1, 2: 3, 4: 2, 6: 4 }[colorType];
  const png = new PNG({ width: samples.length / channels, height: 1 });
  const raw = bitDepth === 16 ? new Uint16Array(samples) : new Uint8Array(samples);
  png.data = Buffer.from(raw.buffer);
  return PNG.sync.write(png, {
    colorType,
    inputColorType: colorType,
    bitDepth,
    inputHasAlpha: colorType === 4 || colorType === 6,
  });
}

function dataError(pattern: RegExp): (error: Error) => boolean {
  return (error) => {
    assert.instance(error, DataError);
    assert.match(error.message, pattern);
    assert.not.match(error.message, /\n/);
    return true;
  };
}

suite('writes what an independent decoder reads back, at any size', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), (w, h) => {
      const image = ramp(w, h);
      const png = PNG.sync.read(Buffer.from(encodePng(image)));
      assert.is(png.width, w);
      assert.is(png.height, h);
      const bytes = quantise(image);
      for (let i = 0; i < bytes.length; i++) assert.is(png.data[4 * i], bytes[i]);
    }),
    { seed: 1, numRuns: 30 },
  );
});

suite('rounds rather than truncates, and clamps', () => {
  const data = Float32Array.of(-1, 0.4 / 255, 0.6 / 255, 1.5, 254.6 / 255);
  assert.equal([...quantise({ width: 5, height: 1, data })], [0, 0, 1, 255, 255]);
  const nan = { width: 2, height: 1, data: Float32Array.of(0, Number.NaN) };
  assert.throws(() => encodePng(nan), dataError(/pixel 1,0/));
});

suite('round trip through a file is exact and leaves no temporary file', () => {
  const path = join(folder, 'round.png');
  const image = ramp(17, 9);
  writePng(path, image);
  assert.equal(readImage(path).data, image.data);
  assert.equal(probeImage(path), { format: 'png', width: 17, height: 9, depth: 8 });
  assert.equal(readdirSync(folder), ['round.png']);
});

suite('a failed write says why and leaves nothing', () => {
  const before = readdirSync(folder);
  const refused = (path: string, pattern: RegExp): void => {
    assert.throws(() => writePng(path, ramp(2, 2)), dataError(pattern));
  };
  mkdirSync(join(folder, 'taken'));
  refused(join(folder, 'absent', 'x.png'), /absent/);
  refused(join(folder, 'taken'), /taken: cannot write/);
  rmSync(join(folder, 'taken'), { recursive: true });
  assert.equal(readdirSync(folder), before);
});

suite('reads 8 and 16 bit, grey, RGB and alpha PNG', () => {
  const near = (found: GrayImage, expected: number[]): void => {
    assert.is(found.data.length, expected.length);
    for (const [i, value] of expected.entries()) {
      assert.ok(Math.abs((found.data[i] as number) - value) < 1e-6, `${found.data[i]} vs ${value}`);
    }
  };
  near(decodeImage(rgbaPng(0, 8, [0, 51, 255]), 'g8'), [0, 0.2, 1]);
  near(decodeImage(rgbaPng(0, 16, [0, 12345, 65535]), 'g16'), [0, 12345 / 65535, 1]);
  near(decodeImage(rgbaPng(2, 8, [255, 0, 0, 0, 255, 0, 0, 0, 255]), 'rgb'), [0.299, 0.587, 0.114]);
  near(decodeImage(rgbaPng(2, 16, [65535, 0, 0, 100, 100, 100]), 'rgb16'), [0.299, 100 / 65535]);
  near(decodeImage(rgbaPng(6, 8, [200, 200, 200, 51, 90, 90, 90, 255]), 'rgba'), [
    (200 / 255) * 0.2,
    90 / 255,
  ]);
});

suite('reads palette PNG', () => {
  // Chunks are put together here because pngjs cannot write palettes.
  const crcOf = (bytes: Uint8Array): number => {
    let crc = 0xffffffff;
    for (const byte of bytes) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    }
    return (crc ^ 0xffffffff) >>> 0;
  };
  const chunk = (type: string, body: number[]): Buffer => {
    const typed = Buffer.concat([Buffer.from(type), Buffer.from(body)]);
    const result = Buffer.alloc(typed.length + 8);
    result.writeUInt32BE(body.length);
    typed.copy(result, 4);
    result.writeUInt32BE(crcOf(typed), typed.length + 4);
    return result;
  };
  const signature = encodePng(ramp(1, 1)).subarray(0, 8);
  const file = Buffer.concat([
    signature,
    chunk('IHDR', [0, 0, 0, 4, 0, 0, 0, 1, 2, 3, 0, 0, 0]),
    chunk('PLTE', [255, 0, 0, 0, 255, 0, 100, 100, 100, 255, 255, 255]),
    // zlib stream with one stored block: filter byte 0, then indices 0 1 2 3 packed as 0x1b.
    chunk('IDAT', [0x78, 0x01, 0x01, 2, 0, 0xfd, 0xff, 0x00, 0x1b, 0x00, 0x1d, 0x00, 0x1c]),
    chunk('IEND', []),
  ]);
  const image = decodeImage(file, 'palette');
  assert.equal(
    [...image.data].map((value) => Math.round(value * 1000)),
    [299, 587, Math.round(100000 / 255), 1000],
  );
});

suite('reads JPEG whatever the file is called', () => {
  const pixels = new Uint8Array(4 * 16 * 16).fill(128);
  const bytes = jpeg.encode({ width: 16, height: 16, data: pixels }, 95).data;
  const path = join(folder, 'really-jpeg.png');
  writeFileSync(path, bytes);
  const image = readImage(path);
  assert.is(image.width, 16);
  for (const value of image.data) assert.ok(Math.abs(value - 128 / 255) < 0.01);
  assert.is(probeImage(path).format, 'jpeg');
});

suite('says once a folder that colour was converted', () => {
  const lines: string[] = [];
  const notice = noticeOncePerFolder((line) => lines.push(line));
  const colour = rgbaPng(2, 8, [255, 0, 0]);
  const grey = rgbaPng(2, 8, [7, 7, 7]);
  decodeImage(grey, 'a/0.png', notice);
  decodeImage(colour, 'a/1.png', notice);
  decodeImage(colour, 'a/2.png', notice);
  decodeImage(colour, 'b/1.png', notice);
  assert.equal(lines, [
    'a: colour images are converted to grey (first: 1.png)',
    'b: colour images are converted to grey (first: 1.png)',
  ]);
});

suite('refuses what is not an image, naming it', () => {
  const text = join(folder, 'note.png');
  writeFileSync(text, 'hello, I am text');
  assert.throws(() => readImage(text), dataError(/note\.png: expected a PNG or JPEG.*68 65 6c 6c/));
  assert.throws(() => decodeImage(new Uint8Array(0), 'nil.png'), dataError(/nil\.png.*empty/));
  assert.throws(() => readImage(join(folder, 'none.png')), dataError(/none\.png.*no such file/));
  assert.throws(() => readImage(folder), dataError(/folder/));
});

suite('refuses every truncation of a PNG and of a JPEG', () => {
  const png = encodePng(ramp(20, 20));
  for (let length = 0; length < png.length; length++) {
    assert.throws(() => decodeImage(png.subarray(0, length), 'cut.png'), dataError(/cut\.png/));
  }
  const pixels = Uint8Array.from({ length: 4 * 24 * 24 }, (_, i) => (i * 37) % 256);
  const jpg = jpeg.encode({ width: 24, height: 24, data: pixels }, 90).data;
  for (let length = 0; length < jpg.length - 4; length += 7) {
    assert.throws(() => decodeImage(jpg.subarray(0, length), 'cut.jpg'), dataError(/cut\.jpg/));
  }
});

suite('flipped bytes give an image or a DataError, nothing else', () => {
  const png = encodePng(ramp(12, 12));
  fc.assert(
    fc.property(fc.nat(png.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
      const bytes = png.slice();
      bytes[at] = (bytes[at] as number) ^ mask;
      try {
        const image = decodeImage(bytes, 'flip.png');
        assert.is(image.data.length, image.width * image.height);
      } catch (error) {
        assert.instance(error, DataError);
      }
    }),
    { seed: 2, numRuns: 200 },
  );
});

suite('bounds the size before allocating', () => {
  const png = encodePng(ramp(4, 4)).slice();
  new DataView(png.buffer).setUint32(16, 0x7fffffff);
  assert.throws(() => decodeImage(png, 'huge.png'), dataError(/huge\.png.*2147483647x4/));
  assert.throws(() => checkImageSize(0, 5, 'zero'), dataError(/zero.*0x5/));
});

suite.run();
