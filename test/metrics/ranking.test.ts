import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { NumericalError, ShapeError, UsageError } from '../../src/errors.ts';
import { rankSystems } from '../../src/metrics/ranking.ts';

const suite = createSuite('ranking');

/** Differences with W+ = 29 and an exact P of 0.07421875 (SciPy). */
const SMALL = [1.1, -0.2, 0.7, 2.3, -1.6, 0.4, 3.1, 0.9];
/** 210 differences with P = 6.750264640e-6 (SciPy, normal approximation). */
const LARGE = Array.from({ length: 210 }, (_, k) => (((37 * k) % 101) - 40) / 10);

const zeros = (list: readonly number[]) => list.map(() => 0);

suite('tests the main system against each other one, as SciPy does', () => {
  for (const [differences, expected] of [
    [SMALL, 0.07421875],
    [LARGE, 6.75026464e-6],
  ] as const) {
    const rows = rankSystems(
      [
        { id: 'a', label: 'A', scores: { psnr: zeros(differences), lpips_alex: differences } },
        { id: 'main', label: 'M', scores: { psnr: differences, lpips_alex: zeros(differences) } },
      ],
      ['psnr', 'lpips_alex'],
      'main',
    );
    assert.is(rows[1].cells.psnr.comparison, undefined);
    for (const name of ['psnr', 'lpips_alex']) {
      const p = rows[0].cells[name].comparison?.test.pValue ?? Number.NaN;
      assert.ok(Math.abs(p / expected - 1) < 1e-9, `${name}: ${p}`);
    }
  }
});

suite('the best mean is marked by the direction of the metric, ties and all', () => {
  const rows = rankSystems(
    [
      { id: 'low', label: 'Low', scores: { ssim: [0.2, 0.4], lpips_vgg: [0.5, 0.5] } },
      { id: 'a', label: 'A', scores: { ssim: [0.5, 0.7], lpips_vgg: [0.3, 0.5] } },
      { id: 'b', label: 'B', scores: { ssim: [0.6, 0.6], lpips_vgg: [0.5, 0.4] } },
    ],
    ['ssim', 'lpips_vgg'],
    'b',
  );
  assert.equal(
    rows.map(({ cells }) => cells.ssim.isBest),
    [false, true, true],
  );
  assert.equal(
    rows.map(({ cells }) => cells.lpips_vgg.isBest),
    [false, true, false],
  );
  assert.ok(Math.abs(rows[0].cells.ssim.summary.mean - 0.3) < 1e-12);
  assert.ok(Math.abs(rows[0].cells.ssim.summary.standardDeviation - Math.SQRT1_2 * 0.2) < 1e-12);
  const { comparison } = rows[0].cells.lpips_vgg;
  // B falls by 0 and 0.1: better by 0.05 on the mean, on one image of two.
  assert.ok(Math.abs((comparison?.improvement ?? 0) - 0.05) < 1e-12);
  assert.is(comparison?.improvedCount, 1);
  assert.is(comparison?.effect, 1);
});

suite('refuses what cannot be ranked', () => {
  const one = { id: 'a', label: 'A', scores: { psnr: [1, 2] } };
  const refused = (
    type: new (message: string) => Error,
    ...args: Parameters<typeof rankSystems>
  ): void =>
    assert.throws(
      () => rankSystems(...args),
      (error: unknown) => error instanceof type,
    );
  refused(UsageError, [one], ['psnr'], 'b');
  refused(ShapeError, [one], ['ssim'], 'a');
  refused(ShapeError, [one, { ...one, id: 'b', scores: { psnr: [1] } }], ['psnr'], 'a');
  refused(
    NumericalError,
    [one, { ...one, id: 'b', scores: { psnr: [1, Number.NaN] } }],
    ['psnr'],
    'a',
  );
});

suite.run();
