import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { RandomStream } from '../../src/autograd/philox.ts';
import { ShapeError, UsageError } from '../../src/errors.ts';
import { compareScores, isUncertain, verdict } from '../../src/metrics/comparison.ts';

const suite = createSuite('comparison');
const random = () => new RandomStream(1, 'bootstrap');

suite('counts a higher PSNR and a lower LPIPS as better', () => {
  const psnr = compareScores('psnr', [14, 15, 16, 15], [17, 16, 18, 14], random());
  assert.is(verdict(psnr), 'better');
  assert.is(psnr.improvement, 1.25);
  assert.is(psnr.improvedCount, 3);
  assert.is(psnr.baseline.mean, 15);
  assert.is(psnr.model.mean, 16.25);
  // |d| = 3, 1, 2, 1: ranks 4, 1.5, 3, 1.5; the last is negative.
  assert.is(psnr.test.statistic, 8.5);
  assert.is(psnr.effect, 0.7);
  const lpips = compareScores('lpips_alex', [0.5, 0.4], [0.25, 0.3], random());
  assert.is(verdict(lpips), 'better');
  assert.is(lpips.improvedCount, 2);
  assert.ok(lpips.improvement > 0 && lpips.improvementInterval.low > 0);
});

suite('calls a loss worse and no change equal', () => {
  assert.is(verdict(compareScores('ssim', [0.4, 0.5], [0.3, 0.4], random())), 'worse');
  const same = compareScores('ssim', [0.4, 0.5], [0.4, 0.5], random());
  assert.is(verdict(same), 'equal');
  assert.is(same.effect, 0);
  assert.is(same.test.pValue, 1);
});

suite('is uncertain while the interval spans no change', () => {
  const wide = compareScores('psnr', [15, 15, 15, 15], [25, 6, 24, 7], random());
  assert.ok(isUncertain(wide));
  const narrow = compareScores('psnr', [15, 15, 15, 15], [16, 16.1, 15.9, 16], random());
  assert.not.ok(isUncertain(narrow));
});

suite('rejects unknown metrics and lists that do not pair', () => {
  assert.throws(
    () => compareScores('fid', [1], [1], random()),
    (error: unknown) => error instanceof UsageError,
  );
  for (const [a, b] of [
    [[1, 2], [1]],
    [[], []],
  ] as const) {
    assert.throws(
      () => compareScores('psnr', a, b, random()),
      (error: unknown) => error instanceof ShapeError,
    );
  }
});

suite.run();
