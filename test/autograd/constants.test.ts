/** Arguments that reach a kernel as constants: no shader could be compiled with one that is not finite. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { leakyRelu } from '../../src/autograd/ops/activations.ts';
import { batchNorm } from '../../src/autograd/ops/batch-norm.ts';
import { channelAffine } from '../../src/autograd/ops/channel-affine.ts';
import { convTranspose2d } from '../../src/autograd/ops/conv-transpose2d.ts';
import { conv2d } from '../../src/autograd/ops/conv2d.ts';
import { conv2dBranches } from '../../src/autograd/ops/conv2d-branches.ts';
import { instanceNorm } from '../../src/autograd/ops/instance-norm.ts';
import { layerNorm } from '../../src/autograd/ops/layer-norm.ts';
import { bceWithLogits, mseToScalar } from '../../src/autograd/ops/losses.ts';
import { momentMap } from '../../src/autograd/ops/moments.ts';
import { scale } from '../../src/autograd/ops/scale.ts';
import { negativeDecibels } from '../../src/autograd/ops/scores.ts';
import { spectralNormalize } from '../../src/autograd/ops/spectral-normalize.ts';
import { tokenSimilarity } from '../../src/autograd/ops/token-products.ts';
import { unitLength } from '../../src/autograd/ops/unit-length.ts';
import { weightedSum } from '../../src/autograd/ops/weighted-sum.ts';
import { windowFilter } from '../../src/autograd/ops/window-filter.ts';
import { type Shape, sizeOf, type Tensor, tensorFrom } from '../../src/autograd/tensor.ts';
import { UsageError } from '../../src/errors.ts';
import { openGpu } from '../../src/node.ts';

const suite = createSuite('constants of kernels');
const gpu = await openGpu();

const filled = (...shape: Shape): Tensor =>
  tensorFrom(gpu, new Float32Array(sizeOf(shape)).fill(0.5), shape);

const scalar = filled();
const vector = filled(1);
const image = filled(1, 1, 4, 4);
const kernel = filled(1, 1, 3, 3);
const running = { mean: vector, variance: vector };
const leaky = (slope: number) => ({ activation: { kind: 'leaky_relu', slope } }) as const;
const branches = [0, 1].map(() => ({ weight: kernel, bias: undefined }));
const normed = (options: { epsilon?: number; momentum?: number }): Tensor =>
  batchNorm(image, vector, vector, running, { training: true, ...options });

/** By the op and the argument that messages name. */
const OPS: Readonly<Record<string, (value: number) => unknown>> = {
  'scale: factor': (value) => scale(image, value),
  'weightedSum: weights': (value) => weightedSum([scalar, scalar], [1, value]),
  'tokenSimilarity: factor': (factor) => tokenSimilarity(image, image, { factor }),
  'mseToScalar: target': (target) => mseToScalar(image, target),
  'bceWithLogits: target': (target) => bceWithLogits(image, target),
  'instanceNorm: epsilon': (epsilon) => instanceNorm(image, { epsilon }),
  'batchNorm: epsilon': (epsilon) => normed({ epsilon }),
  'batchNorm: momentum': (momentum) => normed({ momentum }),
  'layerNorm: epsilon': (epsilon) => layerNorm(image, vector, vector, epsilon),
  'unitLength: epsilon': (epsilon) => unitLength(image, epsilon),
  'spectralNormalize: epsilon': (epsilon) =>
    spectralNormalize(kernel, vector, filled(9), { update: true, epsilon }),
  'negativeDecibels: ceiling': (ceiling) => negativeDecibels(vector, ceiling),
  'windowFilter: taps': (tap) => windowFilter(image, { taps: [0, tap, 0], border: 'zero' }),
  'channelAffine: shift': (shift) => channelAffine(image, [1], [shift]),
  'momentMap: epsilon': (epsilon) =>
    momentMap(filled(1, 5, 4, 4), { kind: 'correlation', meanScale: 1, epsilon }),
};

/** The same for slopes, which must be positive too. */
const SLOPES: Readonly<Record<string, (slope: number) => unknown>> = {
  leakyRelu: (slope) => leakyRelu(image, slope),
  instanceNorm: (slope) => instanceNorm(image, leaky(slope)),
  batchNorm: (slope) =>
    batchNorm(image, vector, vector, running, { training: true, ...leaky(slope) }),
  conv2d: (slope) => conv2d(image, kernel, undefined, leaky(slope)),
  convTranspose2d: (slope) => convTranspose2d(image, kernel, undefined, leaky(slope)),
  conv2dBranches: (slope) => conv2dBranches(image, branches, leaky(slope).activation),
};

/** What an op says of an argument, at once and not from the device. */
function refusal(make: () => unknown): string {
  try {
    gpu.scope(() => {
      make();
      return [];
    });
  } catch (error) {
    assert.instance(error, UsageError);
    return String(error);
  }
  return 'taken';
}

for (const [argument, make] of Object.entries(OPS)) {
  suite(`${argument} is finite in 32 bits`, () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1e39]) {
      assert.is(
        refusal(() => make(value)),
        `UsageError: ${argument}: expected a number that 32-bit floats can hold, found ${value}`,
      );
    }
    assert.is(
      refusal(() => make(0.5)),
      'taken',
    );
  });
}

for (const [op, make] of Object.entries(SLOPES)) {
  suite(`${op}: a slope is positive and finite in 32 bits, as is its inverse`, () => {
    const { NaN: none, POSITIVE_INFINITY: infinity } = Number;
    for (const slope of [none, -infinity, -1, 0, 1e-40, 1e39, infinity]) {
      assert.is(
        refusal(() => make(slope)),
        `UsageError: ${op}: slope: expected a positive number that 32-bit floats can hold, found ${slope}`,
      );
    }
    assert.is(
      refusal(() => make(0.2)),
      'taken',
    );
  });
}

suite('a scale of 0 has no inverse', () => {
  assert.match(
    refusal(() => channelAffine(image, [0], [0])),
    'channelAffine: 1/scale: expected a number that 32-bit floats can hold, found Infinity',
  );
});

suite.after(() => gpu.close());
suite.run();
