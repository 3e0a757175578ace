import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { backward } from '../../src/autograd/backward.ts';
import { DEVICE_METRICS } from '../../src/autograd/metrics/metrics.ts';
import * as windows from '../../src/autograd/metrics/windows.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { type Tensor, tensorFrom, zeros } from '../../src/autograd/tensor.ts';
import { ShapeError } from '../../src/errors.ts';
import { HOST_METRICS, type HostMetric } from '../../src/metrics/metrics.ts';
import { boxWindow, gaussianWindow } from '../../src/metrics/window.ts';
import { openNodeGpu } from '../../src/node.ts';

const suite = createSuite('image metrics on the device');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

const SIDE = 32;
const PIXELS = SIDE * SIDE;

type Formula = (row: number, column: number) => number;

function image(formula: Formula): Float64Array {
  return Float64Array.from({ length: PIXELS }, (_, i) =>
    Math.fround(formula(Math.floor(i / SIDE), i % SIDE)),
  );
}

const A = image((i, j) => ((7 * i + 13 * j) % 31) / 30);
const B = image((i, j) => ((5 * i + 11 * j + 3) % 29) / 28);

/** Published check values, to the digits printed. */
const CHECK_VALUES: Readonly<Record<string, number>> = {
  psnr: 7.4699225471,
  ssim: 0.0123382702,
  ssim_f64_window: 0.0123380997,
  ssim_skimage: 0.0060312195,
  ssim_skimage_gaussian: 0.0123380997,
  ssim_skimage_gaussian_sample: 0.0122969743,
  ssim_torchmetrics_old: 0.0123380997,
  ssim_torchmetrics: -0.0043603992,
  lncc_paper: 0.7351139632,
  lncc: -0.008221543,
  lncc_voxelmorph: 0.1262840691,
};

/** An image with its noisy, shifted and partly black version: scores in the middle of their range. */
function speckledPair(random: RandomStream): [Float64Array, Float64Array] {
  const scene = image(
    (i, j) => 0.5 + 0.3 * Math.sin(i / 3) * Math.cos(j / 4) + 0.15 * random.uniform(),
  );
  const other = scene.map((value, i) => {
    const column = i % SIDE;
    if (column < 11) return Math.floor(i / SIDE) < 12 ? 0 : Math.fround(0.8 * value);
    return Math.fround(Math.min(1, Math.max(0, 0.9 * value + 0.1 * random.uniform())));
  });
  return [scene, other];
}

function batchOf(...images: readonly Float64Array[]): Tensor {
  const data = new Float32Array(images.length * PIXELS);
  images.forEach((values, n) => {
    data.set(values, n * PIXELS);
  });
  return tensorFrom(gpu, data, [images.length, 1, SIDE, SIDE]);
}

/** Scores and gradients of both batches, weighted 1 for the first sample, -2 for the second, … */
async function run(metric: HostMetric, a: Tensor, b: Tensor) {
  a.requiresGrad = true;
  b.requiresGrad = true;
  const weights = Array.from({ length: a.shape[0] }, (_, n) => (n + 1) * (-1) ** n);
  const cotangent = tensorFrom(gpu, weights, [weights.length]);
  const { score, gradients } = gpu.scope(() => {
    const result = DEVICE_METRICS[metric.name](a, b);
    return { score: result, gradients: backward(result, [a, b], cotangent) };
  });
  const read = async (tensor: Tensor | undefined): Promise<Float32Array> => {
    if (!tensor) throw new Error(`${metric.name}: no gradient`);
    const values = await tensor.read();
    tensor.dispose();
    return values;
  };
  const found = {
    scores: await read(score),
    gradients: [await read(gradients.get(a)), await read(gradients.get(b))],
    weights,
  };
  cotangent.dispose();
  return found;
}

suite('every host metric is there, and no other', () => {
  assert.equal(Object.keys(DEVICE_METRICS).sort(), HOST_METRICS.map(({ name }) => name).sort());
});

suite('windows are those of the references', () => {
  assert.equal([...windows.uniformWindow(7)], [...boxWindow(7)]);
  for (const precision of ['f32', 'f64'] as const) {
    const expected = gaussianWindow(11, 1.5, precision);
    windows.gaussianWindow(11, 1.5, precision).forEach((tap, i) => {
      assert.ok(Math.abs(tap - expected[i]) < 1e-16, `${precision} tap ${i}`);
    });
  }
});

suite('published check values', async () => {
  for (const [name, expected] of Object.entries(CHECK_VALUES)) {
    const scores = await gpu.scope(() => DEVICE_METRICS[name](batchOf(A), batchOf(B))).read();
    const bound = name === 'psnr' ? 1e-5 : 1e-6;
    assert.ok(
      Math.abs(scores[0] - expected) < bound,
      `${name}: found ${scores[0]}, expected ${expected}`,
    );
  }
});

/** Pixels probed by finite differences: corners, edges, inside, and the black part. */
const PROBES = [
  0,
  3,
  SIDE - 1,
  5 * SIDE,
  12 * SIDE + 10,
  17 * SIDE + 16,
  PIXELS - 2,
  PIXELS - SIDE,
];

for (const metric of HOST_METRICS) {
  suite(`${metric.name}: scores are the host's, gradients its finite differences`, async () => {
    const random = new RandomStream(11, 'metrics');
    const pairs = [speckledPair(random), speckledPair(random), [A, B] as const];
    const images = [pairs.map(([a]) => a), pairs.map(([, b]) => b)];
    const before = gpu.memory().liveBytes;
    const batches = images.map((side) => batchOf(...side));
    const { scores, gradients, weights } = await run(metric, batches[0], batches[1]);
    for (const batch of batches) batch.dispose();
    assert.is(gpu.memory().liveBytes, before, 'device memory is leaked');
    for (const [n, [a, b]] of pairs.entries()) {
      const expected = metric.compute(a, b, SIDE, SIDE);
      const bound = metric.unit === 'dB' ? 1e-5 : 2e-6;
      assert.ok(
        Math.abs(scores[n] - expected) < bound,
        `sample ${n}: found ${scores[n]}, expected ${expected}`,
      );
      for (const which of [0, 1]) {
        for (const pixel of PROBES) {
          const shifted = (delta: number): number => {
            const pair = [a.slice(), b.slice()];
            pair[which][pixel] += delta;
            return metric.compute(pair[0], pair[1], SIDE, SIDE);
          };
          // Windows that are black in one image bend within 1e-5 of it.
          const step = 1e-8;
          const slope = (weights[n] * (shifted(step) - shifted(-step))) / (2 * step);
          const found = gradients[which][n * PIXELS + pixel];
          const tolerance = 2e-5 * Math.abs(weights[n]) + 5e-3 * Math.abs(slope);
          assert.ok(
            Math.abs(found - slope) < tolerance,
            `sample ${n} image ${which} pixel ${pixel}: found ${found}, expected ${slope}`,
          );
        }
      }
    }
  });
}

suite('identical images have the best score and no slope', async () => {
  for (const metric of HOST_METRICS) {
    const [scene] = speckledPair(new RandomStream(12, 'metrics'));
    const { scores, gradients } = await run(metric, batchOf(scene), batchOf(scene));
    const expected = metric.compute(scene, scene, SIDE, SIDE);
    assert.ok(Math.abs(scores[0] - expected) < 5e-6, `${metric.name}: ${scores[0]}`);
    for (const gradient of gradients) {
      assert.ok(
        gradient.every((value) => Math.abs(value) < 1e-3),
        metric.name,
      );
    }
  }
});

suite('black images give finite scores and gradients', async () => {
  const black = new Float64Array(PIXELS);
  for (const metric of HOST_METRICS) {
    for (const [a, b] of [
      [black, black],
      [A, black],
    ]) {
      const { scores, gradients } = await run(metric, batchOf(a), batchOf(b));
      const expected = metric.compute(a, b, SIDE, SIDE);
      assert.ok(Math.abs(scores[0] - expected) < 2e-6, `${metric.name}: ${scores[0]}`);
      assert.ok(
        gradients.every((gradient) => gradient.every(Number.isFinite)),
        metric.name,
      );
    }
  }
});

suite('shapes that do not fit are refused', () => {
  for (const metric of HOST_METRICS) {
    assert.throws(
      () => DEVICE_METRICS[metric.name](zeros(gpu, [1, 1, 16, 12]), zeros(gpu, [1, 1, 12, 16])),
      (error: Error) => error instanceof ShapeError,
      metric.name,
    );
  }
  const small = zeros(gpu, [1, 1, 10, 12]);
  assert.throws(() => DEVICE_METRICS.ssim(small, small), /11x11/);
});

suite.run();
