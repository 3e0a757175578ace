import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { addNoise } from '../../src/autograd/ops/add-noise.ts';
import { certaintyWeights } from '../../src/autograd/ops/certainty.ts';
import { infoNce } from '../../src/autograd/ops/info-nce.ts';
import { regionMean } from '../../src/autograd/ops/region-mean.ts';
import { normalQuantile } from '../../src/autograd/reference/consistency.ts';
import { uploadRegions } from '../../src/autograd/regions.ts';
import { CONSISTENCY_OPS } from '../../src/autograd/registry/consistency.ts';
import { CONTRAST_OPS } from '../../src/autograd/registry/contrast.ts';
import { tensorFrom, zeros } from '../../src/autograd/tensor.ts';
import { ShapeError, UsageError } from '../../src/errors.ts';
import { openNodeGpu } from '../../src/node.ts';
import { testRows } from './check-rows.ts';

const suite = createSuite('regions, contrast, noise and certainty');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

testRows(suite, gpu, [...CONTRAST_OPS, ...CONSISTENCY_OPS]);

suite('regions that do not fit are named', () => {
  gpu.scope(() => {
    assert.throws(() => uploadRegions(gpu, [0, 1, 2], [1, 2, 2], 3), /2x2 .*found 3/);
    for (const label of [3, -1, 0.5, Number.NaN]) {
      assert.throws(
        () => uploadRegions(gpu, [0, 1, 2, label], [1, 2, 2], 3),
        (error: Error) =>
          error instanceof ShapeError && error.message.includes(`found ${label} at pixel 3`),
      );
    }
    const regions = uploadRegions(gpu, [0, 1, 1, 0], [1, 2, 2], 3);
    assert.throws(() => regionMean(zeros(gpu, [1, 2, 2, 3]), regions), /\[1,2,2,3\]/);
    assert.throws(() => infoNce(zeros(gpu, [1, 2, 2]), regions), /\[1,3,3\], found \[1,2,2\]/);
  });
});

suite('InfoNCE: one region has no rivals; equal similarities are a guess among the existing', async () => {
  const value = async (labels: number[], count: number) => {
    const side = [1, 1, labels.length] as const;
    const y = gpu.scope(() =>
      infoNce(zeros(gpu, [1, count, count]), uploadRegions(gpu, labels, side, count)),
    );
    return [...(await y.read())].reduce((sum, term) => sum + term, 0);
  };
  assert.is(await value([2, 2], 5), 0);
  assert.ok(Math.abs((await value([0, 1, 4, 4], 5)) - Math.log(3)) < 1e-6);
});

suite('NaN in a similarity reaches its own row, unless the region does not exist', async () => {
  const x = new Float32Array(9).fill(0.5);
  x[1] = Number.NaN; // Row 0, region 1.
  x[5] = Number.NaN; // Row 1, region 2.
  const loss = async (labels: number[]) => {
    const y = gpu.scope(() =>
      infoNce(tensorFrom(gpu, x, [1, 3, 3]), uploadRegions(gpu, labels, [1, 1, 3], 3)),
    );
    return [...(await y.read())].map(Number.isNaN);
  };
  assert.equal(await loss([0, 1, 2]), [true, true, false]);
  assert.equal(await loss([0, 1, 1]), [true, false, false]);
});

suite('noise is standard normal, differs by seed, step and site, and repeats', async () => {
  const count = 40_000;
  const draw = async (seed: number, step: number, site: number) =>
    addNoise(zeros(gpu, [count]), 1, { seed, step, site }).read();
  const first = await draw(1, 2, 3);
  const moments = [1, 2, 3, 4].map(
    (power) => first.reduce((sum, z) => sum + z ** power, 0) / count,
  );
  for (const [i, expected] of [0, 1, 0, 3].entries()) {
    const allowed = 4.5 * Math.sqrt([1, 2, 15, 96][i] / count);
    assert.ok(Math.abs(moments[i] - expected) < allowed, `moment ${i + 1}: ${moments[i]}`);
  }
  assert.equal(await draw(1, 2, 3), first);
  for (const other of [await draw(9, 2, 3), await draw(1, 9, 3), await draw(1, 2, 9)]) {
    const product = other.reduce((sum, z, i) => sum + z * first[i], 0) / count;
    assert.ok(Math.abs(product) < 4.5 / Math.sqrt(count), `${product}`);
  }
});

suite("quantiles of the normal distribution, against SciPy's", () => {
  const known = [
    [0.5, 0],
    [0.8413447460685429, 1],
    [1e-9, -5.9978070150076865],
    [2 ** -33, -6.3379577545537895],
    [0.975, 1.959963984540054],
  ];
  for (const [probability, expected] of known) {
    const found = normalQuantile(probability);
    assert.ok(Math.abs(found - expected) < 1e-7, `${probability}: ${found}`);
  }
});

suite('wrong keys, deviations and quantiles are named', () => {
  const x = zeros(gpu, [2, 2]);
  const key = { seed: 0, step: 0, site: 0 };
  const refusals: readonly [() => unknown, RegExp][] = [
    [() => addNoise(x, -1, key), /found -1/],
    [() => addNoise(x, 1, { ...key, step: -1 }), /step .*found -1/],
    [() => certaintyWeights(x, 1.5), /found 1.5/],
  ];
  for (const [refused, message] of refusals) {
    assert.throws(
      refused,
      (error: Error) => error instanceof UsageError && message.test(error.message),
    );
  }
  assert.throws(() => certaintyWeights(tensorFrom(gpu, [1], []), 0.5), /found \[\]/);
});

suite.run();
