import * as fc from 'fast-check';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  philox4x32,
  RandomStream,
  type Uint32x2,
  type Uint32x4,
} from '../../src/autograd/philox.ts';

const suite = createSuite('philox');

/** Known answers of Random123 (tests/kat_vectors, "philox4x32 10"). */
const KNOWN_ANSWERS: { counter: Uint32x4; key: Uint32x2; answer: number[] }[] = [
  {
    counter: [0, 0, 0, 0],
    key: [0, 0],
    answer: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  },
  {
    counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    key: [0xffffffff, 0xffffffff],
    answer: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  },
  {
    counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    key: [0xa4093822, 0x299f31d0],
    answer: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  },
];

suite('gives the published known answers', () => {
  for (const { counter, key, answer } of KNOWN_ANSWERS) {
    assert.equal(philox4x32(counter, key), answer);
  }
});

suite('agrees with 64-bit integer arithmetic on random inputs', () => {
  const word = fc.integer({ min: 0, max: 0xffffffff });
  const mask = 0xffffffffn;
  const reference = (counter: Uint32x4, key: Uint32x2): number[] => {
    let [a, b, c, d] = counter.map(BigInt) as [bigint, bigint, bigint, bigint];
    let [k, l] = key.map(BigInt) as [bigint, bigint];
    for (let round = 0; round < 10; round++) {
      const p = 0xd2511f53n * a;
      const q = 0xcd9e8d57n * c;
      [a, b, c, d] = [(q >> 32n) ^ b ^ k, q & mask, (p >> 32n) ^ d ^ l, p & mask];
      k = (k + 0x9e3779b9n) & mask;
      l = (l + 0xbb67ae85n) & mask;
    }
    return [a, b, c, d].map(Number);
  };
  fc.assert(
    fc.property(fc.tuple(word, word, word, word), fc.tuple(word, word), (counter, key) => {
      assert.equal(philox4x32(counter, key), reference(counter, key));
    }),
    { seed: 1 },
  );
});

suite('streams are repeatable and differ by seed and stream', () => {
  const draw = (seed: number, stream: number | string): number[] => {
    const random = new RandomStream(seed, stream);
    return Array.from({ length: 9 }, () => random.uint32());
  };
  assert.equal(draw(7, 'a'), draw(7, 'a'));
  assert.not.equal(draw(7, 'a'), draw(8, 'a'));
  assert.not.equal(draw(7, 'a'), draw(7, 'b'));
  assert.not.equal(draw(7, 0), draw(7 + 2 ** 32, 0));
  assert.equal(draw(0, 0).slice(0, 4), KNOWN_ANSWERS[0]?.answer);
});

suite('resumes bit-identically from a JSON state at every position', () => {
  for (let drawn = 0; drawn < 7; drawn++) {
    const random = new RandomStream(2 ** 40 + 5, 'resume');
    for (let i = 0; i < drawn; i++) random.normal();
    const resumed = RandomStream.fromState(JSON.parse(JSON.stringify(random.state())));
    for (let i = 0; i < 5; i++) {
      assert.is(resumed.normal(), random.normal());
      assert.is(resumed.integer(10), random.integer(10));
    }
  }
});

suite('uniform and normal numbers have the right moments', () => {
  const random = new RandomStream(3, 'moments');
  const n = 40000;
  let sum = 0;
  let squares = 0;
  let normalSum = 0;
  let normalSquares = 0;
  for (let i = 0; i < n; i++) {
    const u = random.uniform();
    assert.ok(u >= 0 && u < 1);
    sum += u;
    squares += u * u;
    const z = random.normal();
    normalSum += z;
    normalSquares += z * z;
  }
  // Five standard errors each.
  assert.ok(Math.abs(sum / n - 1 / 2) < (5 * Math.sqrt(1 / 12)) / Math.sqrt(n));
  assert.ok(Math.abs(squares / n - 1 / 3) < (5 * Math.sqrt(4 / 45)) / Math.sqrt(n));
  assert.ok(Math.abs(normalSum / n) < 5 / Math.sqrt(n));
  assert.ok(Math.abs(normalSquares / n - 1) < (5 * Math.sqrt(2)) / Math.sqrt(n));
});

suite('integers are in range and shuffles are permutations that reach every order', () => {
  const random = new RandomStream(11, 'integers');
  const counts = new Map<string, number>();
  for (let i = 0; i < 6000; i++) {
    const order = random.shuffle([0, 1, 2]);
    assert.equal([...order].sort(), [0, 1, 2]);
    counts.set(order.join(''), (counts.get(order.join('')) ?? 0) + 1);
  }
  assert.is(counts.size, 6);
  for (const count of counts.values()) assert.ok(Math.abs(count - 1000) < 5 * Math.sqrt(1000));
  for (let i = 0; i < 100; i++) assert.is(random.integer(1), 0);
  const largest = random.integer(2 ** 32);
  assert.ok(largest >= 0 && largest < 2 ** 32);
});

suite('rejects values out of range by name', () => {
  assert.throws(() => new RandomStream(-1, 0), /seed.*found -1/);
  assert.throws(() => new RandomStream(1.5, 0), /seed/);
  assert.throws(() => new RandomStream(1, 2 ** 32), /stream/);
  assert.throws(() => new RandomStream(1, 0).integer(0), /found 0/);
  const state = new RandomStream(1, 0).state();
  assert.throws(() => RandomStream.fromState({ ...state, position: -4 }), /position/);
});

suite.run();
