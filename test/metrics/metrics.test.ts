import { readFileSync } from 'node:fs';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { ShapeError, UsageError } from '../../src/errors.ts';
import { HOST_METRICS, isBetter, METRICS, metricNamed } from '../../src/metrics/metrics.ts';
import { psnrFromMeanSquaredError } from '../../src/metrics/psnr.ts';
import { gaussianWindow } from '../../src/metrics/window.ts';

const suite = createSuite('metrics');

const SIDE = 32;
const A = Float64Array.from(
  { length: SIDE * SIDE },
  (_, i) => ((7 * Math.floor(i / SIDE) + 13 * (i % SIDE)) % 31) / 30,
);
const B = Float64Array.from(
  { length: SIDE * SIDE },
  (_, i) => ((5 * Math.floor(i / SIDE) + 11 * (i % SIDE) + 3) % 29) / 28,
);

/** Score of a host metric by name. */
function score(
  name: string,
  a: Float64Array | Float32Array,
  b: Float64Array | Float32Array,
  height: number,
  width: number,
): number {
  const metric = metricNamed(name);
  if (metric.kind !== 'host') throw new Error(`${name} has no host reference`);
  return metric.compute(a, b, height, width);
}

/** Values established with PyTorch, SciPy and scikit-image, to the digits printed. */
const CHECK_VALUES: Record<string, string> = {
  psnr: '7.4699225471',
  ssim: '0.0123382702',
  ssim_f64_window: '0.0123380997',
  ssim_skimage: '0.0060312195',
  ssim_skimage_gaussian: '0.0123380997',
  ssim_skimage_gaussian_sample: '0.0122969743',
  ssim_torchmetrics_old: '0.0123380997',
  ssim_torchmetrics: '-0.0043603992',
  lncc_paper: '0.7351139632',
  lncc: '-0.0082215430',
  lncc_voxelmorph: '0.1262840691',
};

suite('gives the check values to every printed digit', () => {
  for (const [name, value] of Object.entries(CHECK_VALUES)) {
    assert.is(score(name, A, B, SIDE, SIDE).toFixed(10), value, name);
  }
});

interface Fixture {
  height: number;
  width: number;
  images: Record<string, string>;
  pairs: { a: string; b: string; scores: Record<string, number> }[];
  window_f32: number[];
}

const fixture: Fixture = JSON.parse(
  readFileSync(new URL('../fixtures/metrics.json', import.meta.url), 'utf8'),
);

function fixtureImage(name: string): Float64Array {
  const base64 = fixture.images[name];
  if (base64 === undefined) throw new Error(`fixture has no image ${name}`);
  return Float64Array.from(Buffer.from(base64, 'base64'), (byte) => byte / 255);
}

suite('agrees with scikit-image, SciPy and PyTorch on speckle of 37x51', () => {
  const { height, width } = fixture;
  for (const pair of fixture.pairs) {
    for (const metric of HOST_METRICS) {
      const expected = pair.scores[metric.name];
      if (expected === undefined) throw new Error(`fixture has no ${metric.name}`);
      const found = metric.compute(fixtureImage(pair.a), fixtureImage(pair.b), height, width);
      assert.ok(
        Math.abs(found - expected) <= 1e-10,
        `${metric.name} of ${pair.a} and ${pair.b}: expected ${expected}, found ${found}`,
      );
    }
  }
});

suite('builds the single-precision window bit for bit', () => {
  assert.equal([...gaussianWindow(11, 1.5, 'f32')], fixture.window_f32);
});

suite('scores identical images as perfect', () => {
  const image = fixtureImage('fine');
  const { height, width } = fixture;
  assert.is(score('psnr', image, image, height, width), 100);
  for (const metric of HOST_METRICS.filter((row) => row.name.startsWith('ssim'))) {
    assert.ok(Math.abs(metric.compute(image, image, height, width) - 1) < 1e-12, metric.name);
  }
  assert.ok(Math.abs(score('lncc_global', image, image, height, width) - 1) < 1e-12);
  // Flat windows (the black margin) contribute 0, so a perfect local score stays below 1.
  const lncc = score('lncc', image, image, height, width);
  assert.ok(lncc > 0.9 && lncc < 1, `lncc ${lncc}`);
});

suite('is symmetric in its two images and indifferent to the storage type', () => {
  const { height, width } = fixture;
  const a = fixtureImage('coarse');
  const b = fixtureImage('fine');
  for (const metric of HOST_METRICS) {
    const forward = metric.compute(a, b, height, width);
    const backward = metric.compute(b, a, height, width);
    assert.ok(Math.abs(forward - backward) < 1e-12, metric.name);
    const single = metric.compute(Float32Array.from(a), Float32Array.from(b), height, width);
    assert.ok(Math.abs(forward - single) < 1e-5, metric.name);
  }
});

suite('handles black, constant and non-square images without NaN', () => {
  const black = new Float64Array(12 * 19);
  const grey = new Float64Array(12 * 19).fill(0.5);
  for (const metric of HOST_METRICS) {
    for (const [a, b] of [
      [black, black],
      [black, grey],
      [grey, grey],
    ] as const) {
      assert.ok(Number.isFinite(metric.compute(a, b, 12, 19)), metric.name);
    }
  }
});

suite('finds no correlation in images that are flat but for rounding', () => {
  const third = new Float64Array(12 * 19).fill(1 / 3);
  const tenth = new Float64Array(12 * 19).fill(0.1);
  assert.is(score('lncc_global', third, tenth, 12, 19), 0);
  assert.ok(Math.abs(score('lncc', third, tenth, 12, 19)) < 1e-9);
});

suite('lets NaN in an image show in every score', () => {
  const broken = Float64Array.from(A);
  broken[500] = Number.NaN;
  for (const metric of HOST_METRICS) {
    assert.ok(Number.isNaN(metric.compute(broken, B, SIDE, SIDE)), metric.name);
  }
});

suite('rejects images that do not fit the size or the window', () => {
  for (const metric of HOST_METRICS) {
    assert.throws(
      () => metric.compute(A, B, SIDE, SIDE - 1),
      (error: unknown) => error instanceof ShapeError && error.message.includes('32x31'),
      metric.name,
    );
  }
  const tiny = new Float64Array(10 * 10);
  assert.throws(
    () => score('ssim', tiny, tiny, 10, 10),
    (error: unknown) =>
      error instanceof ShapeError && error.message.includes('at least 11x11, found 10x10'),
  );
  assert.not.throws(() => score('ssim_torchmetrics', tiny, tiny, 10, 10));
});

suite('takes the border cases of the reflecting windows', () => {
  const five = new Float64Array(25).fill(0.25);
  assert.not.throws(() => score('lncc', five, five, 5, 5));
  assert.throws(
    () => score('lncc', five.subarray(0, 20), five.subarray(0, 20), 4, 5),
    (error: unknown) => error instanceof ShapeError && error.message.includes('at least 5x5'),
  );
});

suite('converts a pooled error to decibels', () => {
  assert.is(psnrFromMeanSquaredError(0.01), 20);
  assert.is(psnrFromMeanSquaredError(0), 100);
});

suite('lists every metric once, with a direction and a source', () => {
  assert.is(new Set(METRICS.map((metric) => metric.name)).size, METRICS.length);
  for (const metric of METRICS) {
    assert.match(metric.name, /^[a-z][a-z0-9_]*$/);
    assert.ok(metric.source.length > 10 && metric.summary.length > 10, metric.name);
  }
  assert.throws(
    () => metricNamed('sssim'),
    (error: unknown) =>
      error instanceof UsageError &&
      error.message.includes('psnr, ssim') &&
      /"sssim"/.test(error.message),
  );
});

suite('knows which way is better', () => {
  assert.ok(isBetter('higher', 2, 1) && isBetter('lower', 1, 2));
  assert.not.ok(isBetter('higher', 1, 1) || isBetter('lower', 1, 1));
  assert.not.ok(isBetter('higher', Number.NaN, 1) || isBetter('lower', Number.NaN, 1));
});

suite.run();
