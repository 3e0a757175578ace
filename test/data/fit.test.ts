import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { RandomStream } from '../../src/autograd/philox.ts';
import { centreCrop, cropImage, flipImage, randomCrop, resizeImage } from '../../src/data/fit.ts';
import type { GrayImage } from '../../src/data/image.ts';

const suite = createSuite('fit');

function image(width: number, values: number[]): GrayImage {
  return { width, height: values.length / width, data: Float32Array.from(values) };
}

function close(found: Float32Array, expected: number[]): void {
  assert.is(found.length, expected.length);
  for (const [i, value] of expected.entries()) {
    assert.ok(Math.abs((found[i] as number) - value) < 1e-6, `${i}: ${found[i]} vs ${value}`);
  }
}

suite('crops exactly and reflects without doubling the edge', () => {
  const row = image(3, [1, 2, 3, 4, 5, 6]);
  assert.equal([...cropImage(row, 2, { x: 1, y: 0 }).data], [2, 3, 5, 6]);
  const padded = cropImage(image(3, [1, 2, 3]), 7, { x: -2, y: -3 });
  for (let y = 0; y < 7; y++) {
    assert.equal([...padded.data.slice(7 * y, 7 * y + 7)], [3, 2, 1, 2, 3, 2, 1]);
  }
});

suite('centres crops, also of images that are too small', () => {
  assert.equal(centreCrop(10, 7, 4), { x: 3, y: 1 });
  assert.equal(centreCrop(2, 8, 5), { x: -2, y: 1 });
  const random = new RandomStream(1, 'x');
  assert.equal(randomCrop(2, 5, 5, random), { x: -2, y: 0 });
  assert.is(random.state().position, 0);
});

suite('random crops reach every position and stay inside', () => {
  const random = new RandomStream(1, 'crops');
  const seen = new Set<string>();
  for (let i = 0; i < 300; i++) {
    const { x, y } = randomCrop(6, 5, 4, random);
    assert.ok(x >= 0 && x <= 2 && y >= 0 && y <= 1);
    seen.add(`${x},${y}`);
  }
  assert.is(seen.size, 6);
});

suite('shrinks by the triangle filter', () => {
  // Factor 2: weights at distances 0.25 and 0.75 of the half-width are 3:1, cut at the border.
  const row = image(4, [0, 1, 0, 0]);
  const small = resizeImage(row, 2, 1);
  close(small.data, [3 / 7, 1 / 7]);
});

suite('enlarges bilinearly with half-pixel centres', () => {
  close(resizeImage(image(2, [0, 1]), 4, 1).data, [0, 0.25, 0.75, 1]);
});

suite('keeps constants and the mean, and the identity size', () => {
  const flat = image(9, new Array(63).fill(0.3));
  for (const value of resizeImage(flat, 5, 16).data) assert.ok(Math.abs(value - 0.3) < 1e-6);
  const same = image(3, [1, 2, 3]);
  assert.is(resizeImage(same, 3, 1), same);
  assert.equal([...flipImage(image(3, [1, 2, 3, 4, 5, 6])).data], [3, 2, 1, 6, 5, 4]);
});

suite('shrinking suppresses a pattern beyond the new sampling limit', () => {
  const stripes = image(
    64,
    Array.from({ length: 64 * 64 }, (_, i) => i % 2),
  );
  const small = resizeImage(stripes, 16, 16);
  for (let y = 2; y < 14; y++) {
    for (let x = 2; x < 14; x++) {
      assert.ok(Math.abs((small.data[y * 16 + x] as number) - 0.5) < 0.02);
    }
  }
});

suite.run();
