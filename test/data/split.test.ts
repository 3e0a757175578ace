import * as fc from 'fast-check';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { RandomStream } from '../../src/autograd/philox.ts';
import type { PairName } from '../../src/data/pairs.ts';
import {
  largestRemainder,
  organGroup,
  requireSplit,
  SPLIT_NAMES,
  type SplitName,
  splitPairs,
} from '../../src/data/split.ts';
import { DataError } from '../../src/errors.ts';

const suite = createSuite('split');

function dataset(counts: Record<string, number>): PairName[] {
  return Object.entries(counts).flatMap(([organ, count]) =>
    Array.from({ length: count }, (_, i) => ({ organ, name: String(i + 1).padStart(4, '0') })),
  );
}

/** The public training set of USEnhance 2023, pairs an organ. */
const USENHANCE = { thyroid: 291, carotid: 286, liver: 149, kidney: 122, breast: 202 };

suite("reproduces the paper's Table 1 for every seed", () => {
  const pairs = dataset(USENHANCE);
  for (const seed of [0, 1, 12345]) {
    const split = splitPairs(pairs, seed);
    const count = (name: SplitName): number[] =>
      ['thyroid', 'carotid', 'abdomen', 'breast'].map(
        (group) =>
          split[name].filter((i) => organGroup((pairs[i] as PairName).organ) === group).length,
      );
    assert.equal(count('test'), [58, 57, 54, 41]);
    assert.equal(count('val'), [29, 29, 27, 20]);
    assert.equal(count('train'), [204, 200, 190, 141]);
    const rest = count('train').map((train, i) => train + (count('val')[i] as number));
    assert.equal(rest, [233, 229, 217, 161]);
  }
});

suite('covers every pair once, for any dataset', () => {
  const counts = fc.dictionary(fc.constantFrom('a', 'b', 'liver', 'kidney', 'c'), fc.nat(30));
  fc.assert(
    fc.property(counts, fc.nat(1000), (sizes, seed) => {
      const pairs = dataset(sizes);
      const split = splitPairs(pairs, seed);
      const all = SPLIT_NAMES.flatMap((name) => [...split[name]]).sort((a, b) => a - b);
      assert.equal(
        all,
        pairs.map((_, i) => i),
      );
      if (pairs.length >= 3) for (const name of SPLIT_NAMES) assert.ok(split[name].length > 0);
      if (pairs.length >= 1) assert.ok(split.train.length > 0);
    }),
    { seed: 4 },
  );
});

suite('does not depend on the order of the list', () => {
  const pairs = dataset(USENHANCE);
  const shuffled = new RandomStream(5, 'order').shuffle([...pairs]);
  const names = (list: PairName[], indices: readonly number[]): string[] =>
    indices.map((i) => `${list[i]?.organ}/${list[i]?.name}`).sort();
  const one = splitPairs(pairs, 9);
  const two = splitPairs(shuffled, 9);
  for (const name of SPLIT_NAMES) {
    assert.equal(names(shuffled, two[name]), names(pairs, one[name]));
  }
  assert.not.equal(splitPairs(pairs, 10).test, one.test);
});

suite('largest remainders sum to the total and stay within one of the quota', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(400), { minLength: 1, maxLength: 8 }), fc.double(), (sizes, u) => {
      const sum = sizes.reduce((a, b) => a + b, 0);
      const total = Math.floor(sum * (Number.isFinite(u) ? Math.abs(u) % 1 : 0.3));
      const shares = largestRemainder(sizes, total);
      assert.is(
        shares.reduce((a, b) => a + b, 0),
        total,
      );
      for (const [i, share] of shares.entries()) {
        assert.ok(share <= (sizes[i] as number));
        if (sum > 0) assert.ok(Math.abs(share - ((sizes[i] as number) * total) / sum) < 1);
      }
    }),
    { seed: 6 },
  );
  assert.equal(largestRemainder([1, 1, 1], 2), [1, 1, 0]);
  assert.throws(() => largestRemainder([1, 2], 4), /\[0, 3\], found 4/);
});

suite('tiny sets: each set gets one as soon as three pairs exist', () => {
  const sizes = (n: number): number[] => {
    const split = splitPairs(dataset({ x: n }), 1);
    return SPLIT_NAMES.map((name) => split[name].length);
  };
  assert.equal(sizes(0), [0, 0, 0]);
  assert.equal(sizes(1), [1, 0, 0]);
  assert.equal(sizes(2), [1, 0, 1]);
  assert.equal(sizes(3), [1, 1, 1]);
  assert.equal(sizes(10), [7, 1, 2]);
  assert.equal(sizes(387), [271, 39, 77]);
});

suite('an empty set is a DataError when asked for', () => {
  const split = splitPairs(dataset({ x: 2 }), 1);
  assert.is(requireSplit(split, 'test', 'D').length, 1);
  assert.throws(
    () => requireSplit(split, 'val', 'my-data'),
    (error: Error) => {
      assert.instance(error, DataError);
      assert.match(error.message, /my-data: split "val" is empty.*found 2/);
      return true;
    },
  );
});

suite.run();
