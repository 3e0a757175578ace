/** Images decoded as a page does have the pixels of images read as the programs do. */
import jpeg from 'jpeg-js';
import { PNG } from 'pngjs';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeImage } from '../../src/data/decode-image.ts';
import { decodeImage as decodeInNode } from '../../src/data/image.node.ts';
import { encodePng } from '../../src/data/image.ts';
import { DataError } from '../../src/errors.ts';
import { randomImage } from '../support/tiny-generator.ts';
import { paletteImage, rawPng } from './raw-png.ts';

const suite = createSuite('decoding in pages');

function assertSame(bytes: Uint8Array, what: string): void {
  const found = decodeImage(bytes, what);
  const expected = decodeInNode(bytes, what);
  assert.equal([found.width, found.height], [expected.width, expected.height], what);
  assert.ok(expected.data.some((value) => value > 0 && value < 1) || /1 bit/.test(what), what);
  let largest = 0;
  expected.data.forEach((value, i) => {
    largest = Math.max(largest, Math.abs(value - found.data[i]));
  });
  assert.ok(largest <= 1e-7, `${what}: ${largest}`);
}

suite('PNG of every colour type and depth', () => {
  const kinds: [colour: 0 | 2 | 4 | 6, channels: number][] = [
    [0, 1],
    [2, 3],
    [4, 2],
    [6, 4],
  ];
  for (const [colour, channels] of kinds) {
    for (const depth of colour === 0 ? [1, 2, 4, 8, 16] : [8, 16]) {
      for (const interlaced of depth < 8 ? [false] : [false, true]) {
        const bytes = rawPng({ width: 13, height: 7, depth, colour, channels, interlaced });
        assertSame(bytes, `colour ${colour}, ${depth} bit${interlaced ? ', interlaced' : ''}`);
      }
    }
  }
  assertSame(encodePng(randomImage(31, 17)), 'what this project writes');
});

suite('palettes, with and without transparency', () => {
  for (const depth of [1, 2, 4, 8]) {
    for (const alpha of [false, true]) {
      assertSame(paletteImage(depth, alpha), `palette of ${depth} bit${alpha ? ', alpha' : ''}`);
    }
  }
});

suite('JPEG', () => {
  const png = new PNG({ width: 24, height: 16 });
  for (let i = 0; i < png.data.length; i++) png.data[i] = (i * 37) % 251;
  assertSame(jpeg.encode({ width: 24, height: 16, data: png.data }, 80).data, 'JPEG');
});

suite('damage is named, and an impossible size before anything is decoded', () => {
  const whole = encodePng(randomImage(40, 40));
  const refused = (bytes: Uint8Array, message: RegExp) =>
    assert.throws(
      () => decodeImage(bytes, 'scan.png'),
      (error: Error) => error instanceof DataError && message.test(error.message),
    );
  refused(new TextEncoder().encode('only text, whatever its name'), /expected a PNG or JPEG/);
  refused(new Uint8Array(), /empty file/);
  for (const end of [20, 60, whole.length - 20]) refused(whole.slice(0, end), /truncated|damage/);
  const flipped = whole.slice();
  flipped[whole.length >> 1] ^= 0xff;
  refused(flipped, /damage/);
  refused(rawPng({ width: 9, height: 9, depth: 8, colour: 0, channels: 1, rows: 4 }), /damage/);
  const fine = rawPng({ width: 9, height: 9, depth: 2, colour: 0, channels: 1, interlaced: true });
  refused(fine, /save it without interlacing/);
  const huge = whole.slice();
  new DataView(huge.buffer).setUint32(16, 20_000);
  new DataView(huge.buffer).setUint32(20, 20_000);
  refused(huge, /between 1 and \d+ pixels, found 20000x20000/);
});

suite.run();
