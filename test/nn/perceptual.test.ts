/**
 * LPIPS over each trunk against PyTorch, with formula weights: features, every slice's share, and the
 * gradient of the first image. Witness: networks.py in f64.
 */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { backward } from '../../src/autograd/backward.ts';
import { weightedSum } from '../../src/autograd/ops/weighted-sum.ts';
import { noGrad } from '../../src/autograd/tape.ts';
import { type Tensor, tensorFrom } from '../../src/autograd/tensor.ts';
import { DataError, ShapeError } from '../../src/errors.ts';
import type { Tensorlike } from '../../src/nn/network.ts';
import {
  PerceptualDistance,
  type PerceptualWeights,
} from '../../src/nn/perceptual/perceptual-distance.ts';
import {
  randomFeatureWeights,
  uniformLayerWeights,
} from '../../src/nn/perceptual/random-features.ts';
import {
  largestOutput,
  type PerceptualName,
  smallestSide,
  TRUNKS,
} from '../../src/nn/perceptual/trunks.ts';
import { openNodeGpu } from '../../src/node.ts';
import { type FormulaEntry, formulaTensor } from '../fixtures/pytorch/formula.ts';
import { assertDeviation, type Deviation, type Rule } from '../support/deviation.ts';
import { FixtureTensors, readFixture } from '../support/pytorch-fixtures.ts';

interface LpipsEntry {
  readonly network: string;
  readonly attributes: { readonly trunk: PerceptualName };
  readonly weights: readonly FormulaEntry[];
  readonly cases: readonly {
    readonly name: string;
    readonly x: string;
    readonly y: string;
    readonly cotangent: readonly number[];
    readonly distance: readonly number[];
    /** By slice, then by image. */
    readonly shares: readonly (readonly number[])[];
    readonly grad_x: string;
    readonly taps_of_x: readonly {
      readonly shape: readonly number[];
      readonly sum: number;
      readonly sum_of_squares: number;
    }[];
    readonly float32_deviation: { readonly distance: Deviation; readonly grad_x: Deviation };
  }[];
}

const RULE: Rule = { multiple: 8, floor: 5e-6 };

/** A single sum has a deviation by chance, which may be far below what f32 can promise. */
const SUMS: Deviation = { max: 0, norm: 0 };

const suite = createSuite('perceptual distances');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());
const tensors = new FixtureTensors('networks.safetensors');
const networks = readFixture<{ networks: LpipsEntry[] }>('networks.json').networks.filter(
  ({ network }) => network === 'LPIPS',
);

function formulaWeights({ weights, attributes }: LpipsEntry): PerceptualWeights {
  const trunk = new Map<string, Tensorlike>();
  const linear: Float32Array[] = TRUNKS[attributes.trunk].channels.map(() => new Float32Array(0));
  for (const entry of weights) {
    const data = formulaTensor(entry);
    if (entry.name.startsWith('lin')) linear[Number(entry.name.slice(3))] = data;
    else trunk.set(entry.name.replace(/^trunk\./, ''), { shape: entry.shape, data });
  }
  return { trunk, linear };
}

const readAll = (list: readonly Tensor[]): Promise<Float32Array[]> =>
  Promise.all(list.map((tensor) => tensor.read()));

for (const entry of networks) {
  const { trunk } = entry.attributes;
  suite(`${trunk}: distances and gradients as in PyTorch`, async () => {
    const distance = new PerceptualDistance(gpu, trunk, formulaWeights(entry));
    for (const one of entry.cases) {
      const what = (part: string): string => `${trunk} ${one.name} ${part}`;
      const load = (name: string): Tensor =>
        tensorFrom(gpu, tensors.floats(name), tensors.shape(name));
      const x = load(one.x);
      x.requiresGrad = true;
      const features = distance.features(x);
      const others = noGrad(() => distance.features(load(one.y)));

      assert.equal(
        features.map(({ shape }) => shape),
        one.taps_of_x.map(({ shape }) => shape),
      );
      for (const [slice, values] of (await readAll(features)).entries()) {
        const { sum, sum_of_squares } = one.taps_of_x[slice];
        const sums = [0, 0];
        for (const value of values) {
          sums[0] += value;
          sums[1] += value * value;
        }
        assertDeviation(what(`sum of tap ${slice}`), [sums[0]], [sum], SUMS, RULE);
        assertDeviation(what(`squares of tap ${slice}`), [sums[1]], [sum_of_squares], SUMS, RULE);
      }

      const shares = await readAll(distance.shares(features, others));
      shares.forEach((share, slice) => {
        assertDeviation(what(`share ${slice}`), share, one.shares[slice], SUMS, RULE);
      });
      const total = distance.distance(features, others);
      const float32 = one.float32_deviation;
      assertDeviation(what('distance'), await total.read(), one.distance, float32.distance, RULE);
      const cotangent = tensorFrom(gpu, one.cotangent, total.shape);
      const gradient = backward(total, [x], cotangent).get(x);
      assert.ok(gradient, 'the first image has a gradient');
      const expected = tensors.floats(one.grad_x);
      assertDeviation(
        what('gradient'),
        (await gradient?.read()) ?? [],
        expected,
        float32.grad_x,
        RULE,
      );
    }
    distance.dispose();
  });
}

suite('the witness covers every LPIPS trunk', () => {
  const trunks = networks.map(({ attributes }) => attributes.trunk).sort();
  assert.equal(trunks, ['alex', 'squeeze', 'vgg']);
});

suite('random-features: an image is at distance 0 from itself, and flat black gives no NaN', async () => {
  const distance = new PerceptualDistance(gpu, 'random-features', {
    trunk: randomFeatureWeights(),
    linear: uniformLayerWeights(),
  });
  const x = tensorFrom(gpu, tensors.floats('lpips.grey.x'), tensors.shape('lpips.grey.x'));
  const black = tensorFrom(gpu, new Float32Array(x.size).fill(-1), x.shape);
  black.requiresGrad = true;
  const features = distance.features(x);
  assert.equal([...(await distance.distance(features, features).read())], [0, 0]);
  const apart = distance.distance(distance.features(black), features);
  const gradient = backward(apart, [black], tensorFrom(gpu, [1, 1], [2])).get(black);
  assert.ok((await apart.read()).every((value) => value > 0.05));
  assert.ok((await gradient?.read())?.every(Number.isFinite));
  distance.dispose();
});

suite('pairs of batches together are as far apart as each alone, gradients too', async () => {
  const distance = new PerceptualDistance(gpu, 'random-features', {
    trunk: randomFeatureWeights(),
    linear: uniformLayerWeights(),
  });
  const image = (seed: number, size: number): Tensor =>
    tensorFrom(
      gpu,
      Float32Array.from({ length: 3 * size * size }, (_, i) => Math.sin(seed + i * (0.1 + seed))),
      [3, 1, size, size],
    );
  const measure = async (sizes: readonly number[], together: boolean) => {
    const pairs = sizes.map((size, index) => ({
      real: image(2 * index, size),
      fake: image(2 * index + 1, size),
    }));
    for (const { real, fake } of pairs) {
      real.requiresGrad = true;
      fake.requiresGrad = true;
    }
    const means = together
      ? distance.meanDistances(pairs)
      : pairs.flatMap((pair) => distance.meanDistances([pair]));
    const total = weightedSum(means, [2, -3]);
    const gradients = backward(
      total,
      pairs.flatMap(({ real, fake }) => [real, fake]),
    );
    const parts: (Float32Array | undefined)[] = await readAll(means);
    for (const { real, fake } of pairs) {
      assert.not(gradients.has(real), 'real images take no gradient');
      parts.push(await gradients.get(fake)?.read());
    }
    return parts;
  };
  for (const sizes of [
    [16, 16],
    // Of two shapes, so they cannot be joined.
    [16, 12],
  ]) {
    const alone = await measure(sizes, false);
    for (const [index, values] of (await measure(sizes, true)).entries()) {
      const expected = alone[index] ?? new Float32Array();
      const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      // Other batch sizes may be done by other kernels.
      const isClose = values?.every((value, i) => Math.abs(value - expected[i]) < 1e-5 * scale);
      assert.ok(isClose, `sizes ${sizes}, part ${index}`);
    }
  }
  distance.dispose();
});

suite('the largest output of a trunk', () => {
  // 64 channels of all pixels behind VGG's first convolution; of a quarter of them behind SqueezeNet's.
  assert.is(largestOutput(TRUNKS.vgg, 256, 192), 64 * 256 * 192);
  assert.is(largestOutput(TRUNKS.squeeze, 256, 256), 64 * 127 * 127);
});

suite('the smallest images of a trunk', () => {
  for (const entry of networks) {
    const { trunk } = entry.attributes;
    const distance = new PerceptualDistance(gpu, trunk, formulaWeights(entry));
    const side = smallestSide(TRUNKS[trunk]);
    const features = (size: number) => () =>
      distance.features(tensorFrom(gpu, new Float32Array(size * size), [1, 1, size, size]));
    assert.not.throws(features(side), `${trunk} ${side}`);
    assert.throws(features(side - 1), (error: unknown) => error instanceof ShapeError);
    distance.dispose();
  }
});

suite('weights that do not fit are refused by name', () => {
  const trunk = new Map(randomFeatureWeights());
  const linear = uniformLayerWeights();
  const open = (weights: PerceptualWeights) => () =>
    new PerceptualDistance(gpu, 'random-features', weights);
  const refused = (text: RegExp) => (error: unknown) =>
    error instanceof DataError && text.test(error.message);
  assert.throws(open({ trunk, linear: linear.slice(1) }), refused(/layer weights 0: expected 16/));
  trunk.set('2.weight', { shape: [16, 16, 1, 1], data: new Float32Array(256) });
  assert.throws(
    open({ trunk, linear }),
    refused(/2\.weight expected \[16,16,3,3\], found \[16,16,1,1\]/),
  );
  trunk.delete('2.weight');
  assert.throws(open({ trunk, linear }), refused(/2\.weight expected .* found none/));
});

suite.run();
