/** Statistics of repeated measurements. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadWarning } from '../../bench/measure/load.ts';
import { geometricMean, summariseRepeats } from '../../bench/measure/statistics.ts';

const suite = createSuite('statistics of measurements');

suite('median, quartile spread, least and count', () => {
  assert.equal(summariseRepeats([4, 1, 3, 2, 10]), {
    median: 3,
    spread: 2 / 3,
    least: 1,
    count: 5,
  });
  assert.equal(summariseRepeats([7]), { median: 7, spread: 0, least: 7, count: 1 });
  assert.equal(summariseRepeats([0, 0, 0]).spread, 0);
  assert.throws(() => summariseRepeats([]));
});

suite('the geometric mean of 1, 10 and 100 is 10', () => {
  assert.ok(Math.abs(geometricMean([1, 10, 100]) - 10) < 1e-12);
  assert.throws(() => geometricMean([]), /nothing/);
});

suite('only a load that matters is warned of', () => {
  assert.is(loadWarning(0.1, 'now'), undefined);
  assert.match(loadWarning(1.234, 'now') ?? '', /1\.23 cores now/);
});

suite.run();
