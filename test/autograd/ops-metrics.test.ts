import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { momentMap, productsOfPair } from '../../src/autograd/ops/moments.ts';
import { correlationOf, negativeDecibels } from '../../src/autograd/ops/scores.ts';
import { windowFilter } from '../../src/autograd/ops/window-filter.ts';
import { METRIC_OPS } from '../../src/autograd/registry/metrics.ts';
import { tensorFrom, zeros } from '../../src/autograd/tensor.ts';
import { openNodeGpu } from '../../src/node.ts';
import { testRows } from './check-rows.ts';

const suite = createSuite('ops of image metrics');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

testRows(suite, gpu, METRIC_OPS);

suite('NaN does not become a score', async () => {
  const bad = tensorFrom(gpu, [Number.NaN, 0.5], [2]);
  const good = tensorFrom(gpu, [1, 1], [2]);
  for (const score of [
    negativeDecibels(bad, 100),
    correlationOf(good, bad, good),
    correlationOf(bad, good, good),
  ]) {
    const [first, second] = await score.read();
    assert.ok(Number.isNaN(first));
    assert.ok(Number.isFinite(second));
  }
});

suite('images that do not fit are refused', () => {
  const x = zeros(gpu, [1, 1, 6, 4]);
  const taps = new Array<number>(11).fill(1 / 11);
  assert.throws(
    () => windowFilter(x, { taps, border: 'valid' }),
    /11x11 needs at least 11x11 pixels, found \[1,1,6,4\]/,
  );
  assert.throws(() => windowFilter(x, { taps, border: 'reflect' }), /at least 6x6/);
  assert.throws(() => windowFilter(x, { taps: [1, 1], border: 'zero' }), /odd size, found 2/);
  assert.throws(() => productsOfPair(x, zeros(gpu, [1, 1, 4, 6])), /one shape/);
  assert.throws(
    () => productsOfPair(zeros(gpu, [1, 3, 4, 6]), zeros(gpu, [1, 3, 4, 6])),
    /one chan/,
  );
  const map = { kind: 'correlation', meanScale: 1, epsilon: 1e-5 } as const;
  assert.throws(() => momentMap(x, map), /five channels, found \[1,1,6,4\]/);
});

suite.run();
