import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import type { GrayImage } from '../../src/data/image.ts';
import { ShapeError } from '../../src/errors.ts';
import {
  absoluteDifference,
  busiestRegion,
  frameRegion,
  magnifyRegion,
} from '../../src/report/regions.ts';

const suite = createSuite('regions');

function image(width: number, height: number, value: (x: number, y: number) => number): GrayImage {
  const data = Float32Array.from({ length: width * height }, (_, i) =>
    value(i % width, Math.floor(i / width)),
  );
  return { width, height, data };
}

suite('finds the square with most contrast, wherever it is', () => {
  const inside = (x: number, y: number) => x >= 5 && x < 9 && y >= 2 && y < 6;
  const checkered = image(12, 9, (x, y) => (inside(x, y) ? (x + y) % 2 : 0.5));
  assert.equal(busiestRegion(checkered, 4), { x: 5, y: 2, side: 4 });
  // Nothing to see: the first.
  assert.equal(
    busiestRegion(
      image(7, 7, () => 0.3),
      3,
    ),
    { x: 0, y: 0, side: 3 },
  );
});

suite('magnifies pixel by pixel and frames a copy', () => {
  const ramp = image(6, 6, (x, y) => (x + 10 * y) / 100);
  const large = magnifyRegion(ramp, { x: 2, y: 3, side: 2 }, 4);
  assert.equal(
    [...large.data].map((value) => Math.round(100 * value)),
    [32, 32, 33, 33, 32, 32, 33, 33, 42, 42, 43, 43, 42, 42, 43, 43],
  );
  const framed = frameRegion(ramp, { x: 1, y: 1, side: 3 });
  assert.is(framed.data.filter((value) => value === 1).length, 8);
  assert.is(ramp.data.filter((value) => value === 1).length, 0);
  assert.is(framed.data[2 * 6 + 2], ramp.data[2 * 6 + 2]);
});

suite('differences saturate at their scale', () => {
  const [a, b] = [image(2, 1, (x) => x), image(2, 1, () => 0.75)];
  assert.equal([...absoluteDifference(a, b, 0.5).data], [1, 0.5]);
});

suite('refuses what does not fit', () => {
  const small = image(3, 3, () => 0);
  for (const wrong of [
    () => busiestRegion(small, 4),
    () => magnifyRegion(small, { x: 2, y: 0, side: 2 }, 4),
    () => frameRegion(small, { x: -1, y: 0, side: 2 }),
    () =>
      absoluteDifference(
        small,
        image(2, 3, () => 0),
        1,
      ),
  ]) {
    assert.throws(wrong, (error: unknown) => error instanceof ShapeError);
  }
});

suite.run();
