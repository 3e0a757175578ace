import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import type { GrayImage } from '../../src/data/image.ts';
import { ShapeError } from '../../src/errors.ts';
import { glyphPixel, textWidth } from '../../src/report/font.ts';
import { montage } from '../../src/report/montage.ts';

const suite = createSuite('montage');

function flat(width: number, height: number, value: number): GrayImage {
  return { width, height, data: new Float32Array(width * height).fill(value) };
}

function pixel(image: GrayImage, x: number, y: number): number {
  return image.data[y * image.width + x] as number;
}

suite('sets images side by side with gaps, enlarged by whole pixels', () => {
  const left: GrayImage = { width: 2, height: 1, data: Float32Array.of(0.25, 0.75) };
  const result = montage([[left, flat(2, 1, 1)]], { scale: 3, gap: 1, background: 0.5 });
  assert.is(result.width, 1 + 6 + 1 + 6 + 1);
  assert.is(result.height, 1 + 3 + 1);
  for (let y = 1; y <= 3; y++) {
    assert.equal(
      [...result.data.subarray(y * 15, y * 15 + 15)],
      [0.5, 0.25, 0.25, 0.25, 0.75, 0.75, 0.75, 0.5, 1, 1, 1, 1, 1, 1, 0.5],
    );
  }
  assert.ok(result.data.subarray(0, 15).every((value) => value === 0.5));
});

suite('keeps rows of different length and images of different size in their cells', () => {
  const result = montage([[flat(4, 3, 1), flat(2, 2, 0.75)], [flat(1, 1, 0.25)]], { gap: 2 });
  assert.is(result.width, 2 + 4 + 2 + 4 + 2);
  assert.is(result.height, 2 + 3 + 2 + 3 + 2);
  assert.is(pixel(result, 8, 2), 0.75);
  assert.is(pixel(result, 10, 2), Math.fround(0.15));
  assert.is(pixel(result, 2, 7), 0.25);
  assert.is(pixel(result, 8, 7), Math.fround(0.15));
});

suite('draws labels, and nothing outside their cell', () => {
  const plain = montage([[flat(40, 40, 0)]]);
  const labelled = montage([[flat(40, 40, 0)]], {
    columnLabels: ['high'],
    rowLabels: ['a label that is far too long for this picture'],
  });
  assert.is(labelled.height, plain.height + 22);
  const lit = (from: number, to: number) =>
    labelled.data
      .subarray(from * labelled.width, to * labelled.width)
      .filter((value) => value > 0.9).length;
  assert.ok(lit(0, 15) > 30, 'column label');
  assert.ok(lit(55, labelled.height) > 30, 'row label');
  for (let y = 0; y < labelled.height; y++) {
    for (const x of [0, 3, labelled.width - 4, labelled.width - 1]) {
      assert.is(pixel(labelled, x, y), Math.fround(0.15));
    }
  }
});

suite('has a distinct glyph for every letter, digit and sign', () => {
  const characters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:-+/%()=<>_#?';
  const drawings = [...characters].map((character) =>
    Array.from({ length: 35 }, (_, i) => glyphPixel(character, i % 5, Math.floor(i / 5)))
      .map(Number)
      .join(''),
  );
  assert.is(new Set(drawings).size, characters.length);
  // T: a bar on top of a stem.
  assert.match(drawings[19] ?? '', /^11111(00100){6}$/);
  assert.is(textWidth(''), 0);
  assert.is(textWidth('ab'), 11);
});

suite('rejects what cannot be laid out', () => {
  const image = flat(2, 2, 0);
  assert.throws(
    () => montage([[]]),
    (error: unknown) => error instanceof ShapeError,
  );
  assert.throws(() => montage([[image]], { columnLabels: ['a', 'b'] }), /1 column labels, found 2/);
  assert.throws(() => montage([[image]], { rowLabels: [] }), /1 row labels, found 0/);
  assert.throws(() => montage([[image]], { scale: 1.5 }), /found 1.5/);
  assert.throws(() => montage([[image]], { gap: -1 }), /found -1/);
});

suite.run();
