import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { RandomStream } from '../../src/autograd/philox.ts';
import { ShapeError } from '../../src/errors.ts';
import { averageRanks } from '../../src/metrics/ranks.ts';
import {
  bootstrapInterval,
  mean,
  median,
  quantile,
  rankBiserial,
  standardDeviation,
  summarise,
} from '../../src/metrics/statistics.ts';

const suite = createSuite('statistics');
const VALUES = [4, 1, 3, 10, 2];

suite('computes mean, sample deviation, median and quantiles', () => {
  assert.is(mean(VALUES), 4);
  assert.ok(Math.abs(standardDeviation(VALUES) - Math.sqrt(12.5)) < 1e-15);
  assert.is(median(VALUES), 3);
  assert.is(median([1, 2, 3, 4]), 2.5);
  // numpy.quantile([4, 1, 3, 10, 2], [0, .1, .9, 1]) = 1, 1.4, 7.6, 10
  assert.equal(
    [0, 0.1, 0.9, 1].map((q) => quantile(VALUES, q).toFixed(12)),
    ['1', '1.4', '7.6', '10'].map((text) => Number(text).toFixed(12)),
  );
  assert.ok(Number.isNaN(median([1, Number.NaN, 2])));
});

suite('leaves its input unsorted', () => {
  const values = Float64Array.from(VALUES);
  median(values);
  assert.equal([...values], VALUES);
});

suite('shares ranks among equal values', () => {
  const { ranks, groups } = averageRanks([3, 1, 3, 2, 3]);
  assert.equal([...ranks], [4, 1, 4, 2, 4]);
  assert.equal(groups, [1, 1, 3]);
});

suite('bootstraps the same interval from the same seed and another from another', () => {
  const values = Array.from({ length: 40 }, (_, i) => Math.sin(i * 1.7) + 0.4);
  const interval = (seed: number) =>
    bootstrapInterval(values, { random: new RandomStream(seed, 'bootstrap') });
  assert.equal(interval(3), interval(3));
  assert.not.equal(interval(3), interval(4));
  const { low, high } = interval(3);
  assert.ok(low < mean(values) && mean(values) < high);
});

suite('gives intervals of the width that theory asks for', () => {
  const random = new RandomStream(5, 'sample');
  const values = Array.from({ length: 400 }, () => random.normal());
  const { low, high } = bootstrapInterval(values, { random: new RandomStream(6, 'bootstrap') });
  const expected = (2 * 1.959964 * standardDeviation(values)) / Math.sqrt(values.length);
  assert.ok(Math.abs((high - low) / expected - 1) < 0.08, `${high - low} against ${expected}`);
});

suite('covers the true mean about as often as it claims', () => {
  const random = new RandomStream(8, 'coverage');
  let covered = 0;
  const trials = 200;
  for (let trial = 0; trial < trials; trial++) {
    const values = Array.from({ length: 60 }, () => random.normal() + 2);
    const { low, high } = bootstrapInterval(values, { random, resamples: 400, confidence: 0.9 });
    if (low <= 2 && 2 <= high) covered++;
  }
  // Three binomial standard errors around 90%.
  assert.ok(Math.abs(covered / trials - 0.9) < 3 * Math.sqrt(0.09 / trials), `covered ${covered}`);
});

suite('measures the paired effect by rank-biserial correlation', () => {
  assert.is(rankBiserial([1, 2, 3]), 1);
  assert.is(rankBiserial([-1, -5]), -1);
  assert.is(rankBiserial([0, 0]), 0);
  // Ranks 1..4 signed +1 -2 +3 +4 over 10; the zero does not count.
  assert.is(rankBiserial([0.1, -0.2, 0, 0.3, 0.4]), 0.6);
});

suite('summarises, also a single image', () => {
  const one = summarise([0.5], new RandomStream(1, 'bootstrap'));
  assert.is(one.count, 1);
  assert.ok(Number.isNaN(one.standardDeviation));
  assert.equal(one.interval, { low: 0.5, high: 0.5 });
});

suite('rejects empty lists and options out of range', () => {
  const random = new RandomStream(1, 'bootstrap');
  for (const call of [() => mean([]), () => median([]), () => summarise([], random)]) {
    assert.throws(call, (error: unknown) => error instanceof ShapeError);
  }
  assert.throws(() => standardDeviation([1]), /at least 2 values, found 1/);
  assert.throws(() => quantile([1], 1.5), /found 1.5/);
  assert.throws(() => bootstrapInterval([1], { random, confidence: 1 }), /confidence/);
  assert.throws(() => bootstrapInterval([1], { random, resamples: 0 }), /resamples/);
});

suite.run();
