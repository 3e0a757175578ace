import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { NumericalError, ShapeError } from '../../src/errors.ts';
import { erfc } from '../../src/metrics/normal.ts';
import {
  type Alternative,
  improvements,
  type WilcoxonMethod,
  wilcoxon,
  type ZeroMethod,
} from '../../src/metrics/wilcoxon.ts';

const suite = createSuite('wilcoxon');

const LONG = Array.from({ length: 210 }, (_, k) => (((37 * k) % 101) - 40) / 10);

suite('gives the check values to every printed digit', () => {
  const plain = wilcoxon(LONG);
  assert.is(plain.statistic, 14650);
  assert.is(plain.method, 'asymptotic');
  assert.is(plain.pValue.toExponential(9), '6.750264640e-6');
  const corrected = wilcoxon(LONG, { correction: true });
  assert.is(corrected.pValue.toExponential(9), '6.768004321e-6');
  const pratt = wilcoxon(LONG, { zeroMethod: 'pratt' });
  assert.is(pratt.statistic, 14898);
  assert.is(pratt.pValue.toExponential(9), '7.277151559e-6');
  const short = wilcoxon([1.1, -0.2, 0.7, 2.3, -1.6, 0.4, 3.1, 0.9]);
  assert.is(short.statistic, 29);
  assert.is(short.method, 'exact');
  assert.is(short.pValue, 0.07421875);
});

type Case = [string, Alternative, ZeroMethod, 0 | 1, WilcoxonMethod | 'auto', number, number];

const fixture: { samples: Record<string, number[]>; cases: Case[]; erfc: [number, number][] } =
  JSON.parse(readFileSync(new URL('../fixtures/wilcoxon.json', import.meta.url), 'utf8'));

suite('agrees with SciPy over ties, zeros, alternatives, corrections and methods', () => {
  assert.ok(fixture.cases.length > 200);
  for (const [name, alternative, zeroMethod, correction, method, statistic, p] of fixture.cases) {
    const options = { alternative, zeroMethod, correction: correction === 1, method };
    const found = wilcoxon(fixture.samples[name] ?? [], options);
    const where = `${name} ${JSON.stringify(options)}`;
    assert.is(found.statistic, statistic, where);
    // SciPy takes some tails as 1 - cdf, which costs it their relative precision.
    const tolerance = 1e-11 * p + 1e-15;
    assert.ok(Math.abs(found.pValue - p) <= tolerance, `${where}: ${p}, found ${found.pValue}`);
  }
});

suite('computes erfc as SciPy to a relative 1e-12', () => {
  for (const [x, expected] of fixture.erfc) {
    const error = Math.abs(erfc(x) - expected) / expected;
    assert.ok(error <= 1e-12, `erfc(${x}): relative error ${error}`);
  }
  assert.is(erfc(0), 1);
  assert.ok(Number.isNaN(erfc(Number.NaN)));
});

suite('matches enumeration of every sign pattern', () => {
  const difference = fc.integer({ min: -4, max: 4 });
  fc.assert(
    fc.property(fc.array(difference, { minLength: 1, maxLength: 9 }), (differences) => {
      const observed = wilcoxon(differences, { method: 'permutation' });
      let atLeast = 0;
      const patterns = 2 ** differences.length;
      for (let pattern = 0; pattern < patterns; pattern++) {
        const flipped = differences.map((d, i) => ((pattern >> i) & 1 ? -d : d));
        const { positiveRankSum } = wilcoxon(flipped, { method: 'asymptotic' });
        if (positiveRankSum >= observed.positiveRankSum) atLeast++;
      }
      assert.ok(Math.abs(observed.pValue - atLeast / patterns) < 1e-12);
    }),
    { seed: 11, numRuns: 60 },
  );
});

suite('swaps the alternatives when signs swap', () => {
  const negated = LONG.map((d) => -d);
  for (const zeroMethod of ['wilcox', 'pratt', 'zsplit'] as const) {
    const greater = wilcoxon(LONG, { zeroMethod });
    const less = wilcoxon(negated, { zeroMethod, alternative: 'less' });
    assert.ok(Math.abs(greater.pValue - less.pValue) < 1e-15);
    assert.is(greater.positiveRankSum, less.negativeRankSum);
  }
});

suite('reports counts and says which method it used', () => {
  const result = wilcoxon([0, 1, -2, 3, 3]);
  assert.is(result.zeros, 1);
  assert.is(result.count, 4);
  assert.is(result.method, 'permutation');
  assert.is(result.z, null);
  assert.type(wilcoxon(LONG).z, 'number');
});

suite('gives NaN for nothing to rank, as SciPy', () => {
  assert.ok(Number.isNaN(wilcoxon([]).pValue));
  assert.ok(Number.isNaN(wilcoxon(new Float64Array(60)).pValue));
  // Sign flips of zeros all give the same statistic, so nothing is surprising.
  assert.is(wilcoxon(new Float64Array(5)).pValue, 1);
});

suite('refuses a score that is not finite', () => {
  assert.throws(
    () => wilcoxon([1, Number.NaN, 2]),
    (error: unknown) =>
      error instanceof NumericalError && error.message === 'wilcoxon: difference 1 of 3 is NaN',
  );
});

suite('signs improvements by the direction of the metric', () => {
  assert.equal([...improvements([3, 1], [1, 4], 'higher')], [2, -3]);
  assert.equal([...improvements([3, 1], [1, 4], 'lower')], [-2, 3]);
  assert.throws(
    () => improvements([1], [1, 2], 'higher'),
    (error: unknown) => error instanceof ShapeError && error.message.includes('found 1 and 2'),
  );
});

suite.run();
