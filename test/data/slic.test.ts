/** Superpixels: what must hold for any image, what is known for simple ones, and an independent program's labels. */
import { readFileSync } from 'node:fs';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { RandomStream } from '../../src/autograd/philox.ts';
import { mergeSmallRegions } from '../../src/data/merge-regions.ts';
import { simulatePair } from '../../src/data/simulator/simulator.ts';
import { resizeLabels, slic, slicCapacity } from '../../src/data/slic.ts';
import { SlicLabels } from '../../src/data/superpixels.ts';
import { UsageError } from '../../src/errors.ts';

const suite = createSuite('superpixels');

/** Pixels of each label; fails unless labels are 0, 1, … in the order in which they are met. */
function sizesOf(labels: Uint16Array): number[] {
  const sizes: number[] = [];
  for (const label of labels) {
    assert.ok(label <= sizes.length, `label ${label} is met as number ${sizes.length}`);
    sizes[label] = (sizes[label] ?? 0) + 1;
  }
  return sizes;
}

/** How many pieces joined by edges the labels fall into. */
function countPieces(labels: Uint16Array, width: number): number {
  const seen = new Set<number>();
  let pieces = 0;
  for (let start = 0; start < labels.length; start++) {
    if (seen.has(start)) continue;
    pieces++;
    const queue = [start];
    seen.add(start);
    while (queue.length) {
      const i = queue.pop() ?? 0;
      const near = [i - width, i + width];
      if (i % width) near.push(i - 1);
      if ((i + 1) % width) near.push(i + 1);
      for (const j of near) {
        if (labels[j] === labels[i] && !seen.has(j)) {
          seen.add(j);
          queue.push(j);
        }
      }
    }
  }
  return pieces;
}

const noise = (width: number, height: number): Float32Array => {
  const random = new RandomStream(3, 'noise');
  return new Float32Array(width * height).map(() => random.uniform());
};

suite('connected pieces of some size, in reading order, no more than the grid has cells', () => {
  const speckled = simulatePair(2, 1, { size: 64 }).low;
  const images: readonly [ArrayLike<number>, number, number, number][] = [
    [speckled.data, 64, 64, 16],
    [speckled.data, 64, 64, 64],
    [noise(40, 24), 40, 24, 30],
    [noise(23, 57), 23, 57, 7],
    [noise(8, 8), 8, 8, 64],
    [noise(5, 3), 5, 3, 256],
    [noise(1, 1), 1, 1, 16],
  ];
  for (const [image, width, height, segments] of images) {
    const labels = slic(image, width, height, { segments, compactness: 10 });
    const sizes = sizesOf(labels);
    const capacity = slicCapacity(width, height, segments);
    const what = `${segments} of ${width}x${height}`;
    assert.is(labels.length, width * height);
    assert.ok(sizes.length <= capacity && sizes.length >= capacity / 4, `${what}: ${sizes.length}`);
    assert.is(countPieces(labels, width), sizes.length, `${what} are connected`);
    const smallest = (0.25 * width * height) / capacity;
    assert.ok(Math.min(...sizes) >= smallest, `${what}: ${Math.min(...sizes)} pixels`);
    assert.equal(slic(image, width, height, { segments, compactness: 10 }), labels, 'repeats');
  }
});

suite('a flat image is cut into the cells of the grid', () => {
  const labels = slic(new Float32Array(64 * 48).fill(0.4), 64, 48, {
    segments: 12,
    compactness: 10,
  });
  const sizes = sizesOf(labels);
  assert.is(sizes.length, 12);
  for (const size of sizes) assert.ok(Math.abs(size / 256 - 1) < 0.2, `${sizes}`);
});

suite('superpixels keep to a bright edge, the more the less compact they are to be', () => {
  const side = 48;
  // A disc that no line of the grid follows.
  const inside = (i: number): boolean =>
    Math.hypot((i % side) - 21.3, Math.floor(i / side) - 25.1) < 14.6;
  const disc = Float32Array.from({ length: side * side }, (_, i) => (inside(i) ? 0.9 : 0.1));
  const strays = (compactness: number): number => {
    const labels = slic(disc, side, side, { segments: 16, compactness });
    const counts = new Map<number, [number, number]>();
    labels.forEach((label, i) => {
      const count = counts.get(label) ?? [0, 0];
      count[inside(i) ? 1 : 0]++;
      counts.set(label, count);
    });
    return [...counts.values()].reduce((sum, [a, b]) => sum + Math.min(a, b), 0);
  };
  const [published, squares] = [strays(10), strays(2000)];
  assert.ok(published < 0.01 * side * side, `${published} pixels on the wrong side`);
  assert.ok(squares > 5 * Math.max(1, published), `${squares} with squares`);
});

suite('small pieces join the neighbour with which they share most border', () => {
  const labels = Uint16Array.of(
    ...[0, 0, 0, 1, 1, 1],
    ...[0, 5, 0, 1, 1, 1],
    ...[0, 0, 0, 1, 0, 1],
    ...[2, 2, 2, 2, 2, 2],
  );
  const merged = mergeSmallRegions(labels, 6, 4, { smallest: 2, most: 9 });
  assert.equal(
    [...merged],
    [...[0, 0, 0, 1, 1, 1], ...[0, 0, 0, 1, 1, 1], ...[0, 0, 0, 1, 1, 1], ...[2, 2, 2, 2, 2, 2]],
  );
  assert.is(new Set(mergeSmallRegions(labels, 6, 4, { smallest: 2, most: 2 })).size, 2);
  assert.is(new Set(mergeSmallRegions(labels, 6, 4, { smallest: 99, most: 9 })).size, 1);
});

suite("an independent program's labels", () => {
  const fixture: {
    cases: { width: number; height: number; segments: number; image: number[]; labels: number[] }[];
  } = JSON.parse(readFileSync(new URL('../fixtures/slic.json', import.meta.url), 'utf8'));
  assert.ok(fixture.cases.length >= 3);
  for (const { width, height, segments, image, labels } of fixture.cases) {
    const bytes = image.map((value) => value / 255);
    const found = slic(bytes, width, height, { segments, compactness: 10 });
    assert.equal([...found], labels, `${width}x${height}`);
  }
});

suite('label maps are resized to the nearest, as PyTorch does', () => {
  const labels = Uint16Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  assert.equal([...resizeLabels(labels, [4, 4], [2, 2])], [0, 2, 8, 10]);
  assert.equal([...resizeLabels(labels, [4, 4], [1, 3])], [0, 1, 2]);
  assert.equal([...resizeLabels(labels, [4, 4], [4, 4])], [...labels]);
});

suite('an image is cut up once, whatever the batch, within the budget', () => {
  const one = noise(16, 16);
  const labels = new SlicLabels({ segments: 4, compactness: 10 }, 2 * 256);
  const first = labels.labels(one, 16, 16);
  assert.is(labels.labels(one.slice(), 16, 16), first, 'the same content, the very same labels');
  assert.is(labels.size, 1);
  const second = labels.labels(one.slice().reverse(), 16, 16);
  assert.not.equal(second, first);
  assert.is(labels.size, 1, 'beyond the budget nothing is kept');
  assert.is(labels.capacity(16, 16), 4);
});

suite('wrong settings are named', () => {
  const refusals: readonly [() => unknown, RegExp][] = [
    [() => slic([0], 1, 1, { segments: 0, compactness: 10 }), /segment, found 0/],
    [() => new SlicLabels({ segments: 4, compactness: -1 }), /found -1/],
  ];
  for (const [refused, message] of refusals) {
    assert.throws(
      refused,
      (error: Error) => error instanceof UsageError && message.test(error.message),
    );
  }
});

suite.run();
