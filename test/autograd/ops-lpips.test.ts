import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { backward } from '../../src/autograd/backward.ts';
import { compareArrays, formatMismatch } from '../../src/autograd/gradcheck.ts';
import { relu } from '../../src/autograd/ops/activations.ts';
import { lpipsDistance } from '../../src/autograd/ops/lpips-distance.ts';
import { LPIPS_DISTANCE } from '../../src/autograd/registry/lpips-distance.ts';
import { type Tensor, tensorFrom, zeros } from '../../src/autograd/tensor.ts';
import { openNodeGpu } from '../../src/node.ts';
import { FixtureTensors, readFixture } from '../support/pytorch-fixtures.ts';
import { testRows } from './check-rows.ts';

const suite = createSuite('lpips distance');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

testRows(suite, gpu, [LPIPS_DISTANCE]);

interface Case {
  readonly op: string;
  readonly name: string;
  readonly inputs: { readonly x: string; readonly y: string; readonly weight: string };
  readonly output: string;
  readonly cotangent: string;
  readonly gradients: { readonly x: string; readonly y: string };
}

/** Features go through a ReLU there, whose backward silences the slope of pixels of zeros. */
suite('values and gradients behind a ReLU agree with PyTorch', async () => {
  const tensors = new FixtureTensors('ops.safetensors');
  const cases = readFixture<{ cases: Case[] }>('ops.json').cases.filter(
    ({ op }) => op === 'lpips_layer',
  );
  assert.ok(cases.length >= 3);
  for (const { name, inputs, output, cotangent, gradients } of cases) {
    const upload = (key: string): Tensor =>
      tensorFrom(gpu, tensors.floats(key), tensors.shape(key));
    const x = upload(inputs.x);
    const y = upload(inputs.y);
    x.requiresGrad = true;
    y.requiresGrad = true;
    const weights = tensorFrom(gpu, tensors.floats(inputs.weight), [x.shape[1]]);
    const distance = lpipsDistance(relu(x), relu(y), weights);
    const seed = tensorFrom(gpu, tensors.floats(cotangent), distance.shape);
    const found = backward(distance, [x, y], seed);
    const check = async (tensor: Tensor | undefined, key: string): Promise<void> => {
      if (!tensor) throw new Error(`${key} is missing`);
      const tolerance = { atol: 1e-6, rtol: 1e-5 };
      const mismatch = compareArrays(key, await tensor.read(), tensors.floats(key), tolerance);
      assert.not(mismatch, mismatch && `${name}: ${formatMismatch(mismatch)}`);
    };
    await check(distance, output);
    await check(found.get(x), gradients.x);
    await check(found.get(y), gradients.y);
  }
});

suite('equal features are at distance 0, and their gradient is 0', async () => {
  const data = Float32Array.from({ length: 2 * 7 * 6 }, (_, i) => Math.max(Math.sin(i), 0));
  const f0 = tensorFrom(gpu, data, [2, 7, 2, 3]);
  const f1 = tensorFrom(gpu, data, [2, 7, 2, 3]);
  f1.requiresGrad = true;
  const weights = tensorFrom(gpu, new Float32Array(7).fill(1), [7]);
  const distance = lpipsDistance(f0, f1, weights);
  assert.equal([...(await distance.read())], [0, 0]);
  const cotangent = tensorFrom(gpu, [1, 1], [2]);
  const gradient = await backward(distance, [f1], cotangent).get(f1)?.read();
  assert.ok(gradient?.every((value) => Math.abs(value) === 0));
});

/** y of one pixel in f64. */
function distanceOf(a: readonly number[], b: readonly number[]): number {
  const unit = (f: readonly number[]): number[] => f.map((v) => v / (Math.hypot(...f) + 1e-10));
  const [u, v] = [unit(a), unit(b)];
  return u.reduce((sum, value, c) => sum + (value - v[c]) ** 2, 0);
}

suite('features of very different length, parallel ones and zeros keep their distance', async () => {
  const direction = [0.6, 0, 0.7, 0.2];
  const other = [0.5, 0.3, 0.7, 0];
  const pairs = [1e-12, 1e-6, 1e-3, 1, 1.001, 1e4, 0].flatMap((length) =>
    [direction, other].map((f) => [direction, f.map((v) => v * length)]),
  );
  // Each pair in both orders, as one pixel each: planes of whole vec4s, and of one pixel more.
  const pixels = [...pairs, ...pairs.map(([a, b]) => [b, a])];
  for (const plane of [pixels, [...pixels, [other, other]]]) {
    for (const [k, pair] of plane.entries()) {
      const features = [0, 1].map((side) => {
        // The pixel asked about, among zeros.
        const data = direction.flatMap((_, c) =>
          plane.map((_, p) => (p === k ? pair[side][c] : 0)),
        );
        return tensorFrom(gpu, data, [1, direction.length, 1, plane.length]);
      });
      const weights = tensorFrom(gpu, new Float32Array(direction.length).fill(1), [4]);
      const [found] = await lpipsDistance(features[0], features[1], weights).read();
      const expected = distanceOf(pair[0], pair[1]) / plane.length;
      assert.ok(
        Math.abs(found - expected) < 2e-7 / plane.length + 3e-6 * expected,
        `${pair}: ${found} for ${expected}`,
      );
    }
  }
});

suite('NaN features give a NaN distance for their sample only', async () => {
  const data = new Float32Array(2 * 3 * 4).fill(0.5);
  data[1] = Number.NaN;
  const f0 = tensorFrom(gpu, data, [2, 3, 2, 2]);
  const f1 = tensorFrom(gpu, new Float32Array(24).fill(0.25), [2, 3, 2, 2]);
  const weights = tensorFrom(gpu, [1, 1, 1], [3]);
  const [first, second] = await lpipsDistance(f0, f1, weights).read();
  assert.ok(Number.isNaN(first));
  assert.ok(Math.abs(second) < 1e-12);
});

suite('shapes that do not fit are refused', () => {
  const f = zeros(gpu, [1, 4, 3, 3]);
  assert.throws(() => lpipsDistance(f, zeros(gpu, [1, 4, 3, 2]), zeros(gpu, [4])), /one shape/);
  assert.throws(() => lpipsDistance(f, f, zeros(gpu, [3])), /expected 4 weights, found \[3\]/);
});

suite.run();
