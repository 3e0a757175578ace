import { readFileSync } from 'node:fs';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { backward } from '../../src/autograd/backward.ts';
import {
  checkDevice,
  compareArrays,
  formatMismatch,
  type Mismatch,
} from '../../src/autograd/gradcheck.ts';
import { add } from '../../src/autograd/ops/arithmetic.ts';
import { sum } from '../../src/autograd/ops/reduce.ts';
import { scale } from '../../src/autograd/ops/scale.ts';
import {
  spectralNormalize,
  spectralNormalizeAll,
} from '../../src/autograd/ops/spectral-normalize.ts';
import { Parameter } from '../../src/autograd/parameter.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import {
  powerIteration,
  spectralNormalizeForward,
} from '../../src/autograd/reference/spectral-normalize.ts';
import { randomArray } from '../../src/autograd/registry/row.ts';
import { SPECTRAL_NORMALIZE } from '../../src/autograd/registry/spectral-normalize.ts';
import { type Shape, sizeOf, type Tensor, tensorFrom, zeros } from '../../src/autograd/tensor.ts';
import { ShapeError } from '../../src/errors.ts';
import { Gpu } from '../../src/gpu/gpu.ts';
import { persistentTensors, randomUnitVector } from '../../src/nn/network.ts';
import { ParameterSet } from '../../src/nn/parameter-set.ts';
import { parseSafetensors } from '../../src/nn/safetensors.ts';
import { openNodeGpu } from '../../src/node.ts';
import { testRows } from './check-rows.ts';

const suite = createSuite('ops: spectralNormalize');
const gpu = await openNodeGpu();
/** The same device, taken for a GPU without subgroups. */
const plain = new Gpu(gpu.device, { kind: 'gpu', subgroupSize: 0, f16: false });

function none(mismatch: Mismatch | undefined, label: string): void {
  assert.is(mismatch && `${label}: ${formatMismatch(mismatch)}`, undefined);
}

const row = SPECTRAL_NORMALIZE;

testRows(suite, gpu, [SPECTRAL_NORMALIZE]);

async function checkCases(device: Gpu, wanted: RegExp): Promise<void> {
  const random = new RandomStream(2, 'spectral');
  let checked = 0;
  for (const sample of row.cases(random)) {
    if (!wanted.test(sample.label)) continue;
    none(await checkDevice(device, sample, row.tolerance, random), sample.label);
    checked++;
  }
  assert.ok(checked > 0);
}

suite('the kernels for GPUs without subgroups agree with the reference too', () =>
  checkCases(plain, /7[02]x[24]0x4x4|20x1x4x4|3x5x4x4 axis 1/));

suite('an update writes the persistent u and v', async () => {
  const random = new RandomStream(3, 'spectral');
  for (const device of [gpu, plain]) {
    const shape = [72, 40, 4, 4];
    const weight = randomArray(random, shape, 1 / 16);
    const u = randomArray(random, [shape[0]], shape[0] ** -0.5);
    const after = powerIteration(weight, u, 0);
    const w = tensorFrom(device, Float32Array.from(weight.data), shape);
    const deviceU = tensorFrom(device, Float32Array.from(u.data), u.shape);
    const deviceV = zeros(device, after.v.shape);
    const y = spectralNormalize(w, deviceU, deviceV, { update: true });
    const tolerance = { atol: 2e-7, rtol: 1e-5 };
    none(compareArrays('u', await deviceU.read(), after.u.data, tolerance), 'update');
    none(compareArrays('v', await deviceV.read(), after.v.data, tolerance), 'update');
    const expected = spectralNormalizeForward(weight, after.u, after.v, 0);
    none(compareArrays('y', await y.read(), expected.data, tolerance), 'update');
  }
});

interface Step {
  weight: string;
  weight_u: string;
  weight_v: string;
  cotangent: string;
  grad_weight_orig: string;
  training: boolean;
}

interface Case {
  name: string;
  op: string;
  attributes: { dim: 0 | 1; eps: number };
  inputs: { weight_orig: string; weight_u: string; weight_v: string };
  steps: Step[];
  grad_weight_orig_sum: string;
}

const fixtures = new URL('../fixtures/pytorch/', import.meta.url);
const cases = (
  JSON.parse(readFileSync(new URL('ops.json', fixtures), 'utf8')) as { cases: Case[] }
).cases.filter(({ op }) => op === 'spectral_norm');
const { tensors } = parseSafetensors(
  readFileSync(new URL('ops.safetensors', fixtures)),
  'ops.safetensors',
);

function fixture(name: string): { shape: Shape; data: Float32Array } {
  const tensor = tensors.get(name);
  if (!tensor || !(tensor.data instanceof Float32Array)) throw new Error(`no fixture ${name}`);
  return { shape: tensor.shape, data: tensor.data };
}

function load(key: string): Tensor {
  const { shape, data } = fixture(key);
  return tensorFrom(gpu, data, shape);
}

const CLOSE = { atol: 2e-6, rtol: 1e-5 };

async function assertClose(what: string, found: Tensor, key: string): Promise<void> {
  none(compareArrays(what, await found.read(), fixture(key).data, CLOSE), key);
}

suite('PyTorch: three forwards in training mode, one in eval mode, then the backwards', async () => {
  assert.ok(cases.length >= 5);
  for (const { attributes, inputs, steps, grad_weight_orig_sum: sum } of cases) {
    const { shape, data } = fixture(inputs.weight_orig);
    const bytes = sizeOf(shape) * 4;
    const parameter = new Parameter(gpu, shape, gpu.upload(data), gpu.allocate(bytes), 'w');
    const leaf = tensorFrom(gpu, data, shape);
    leaf.requiresGrad = true;
    for (const weight of [leaf, parameter]) {
      const u = load(inputs.weight_u);
      const v = load(inputs.weight_v);
      const outputs: Tensor[] = [];
      for (const { training, ...step } of steps) {
        const { dim: outputAxis, eps: epsilon } = attributes;
        const y = spectralNormalize(weight, u, v, { update: training, outputAxis, epsilon });
        await assertClose('weight', y, step.weight);
        await assertClose('u', u, step.weight_u);
        await assertClose('v', v, step.weight_v);
        outputs.push(y);
      }
      // Only now: each backward must use the u, v and σ of its own forward.
      for (const [index, step] of steps.entries()) {
        const gradient = backward(outputs[index], [weight], load(step.cotangent)).get(leaf);
        if (gradient) await assertClose('gradient', gradient, step.grad_weight_orig);
        else assert.is(weight, parameter);
      }
    }
    await assertClose('summed gradient', parameter.gradient.tensor, sum);
  }
});

const LAYERS: readonly Shape[] = [
  [70, 3, 4, 4],
  [5, 7, 4, 4],
  [36, 5, 2, 2],
  [1, 9, 4, 4],
  [6, 2, 4, 4],
];

/** A network's weights: all in one arena with u and v side by side, or each on its own. */
function layersOf(device: Gpu, together: boolean) {
  const random = new RandomStream(6, 'layers');
  const values = LAYERS.map((shape) => ({
    shape,
    data: Float32Array.from(randomArray(random, shape, 0.1).data),
    u: randomUnitVector(shape[0], random),
    v: randomUnitVector(sizeOf(shape) / shape[0], random),
  }));
  const declare = (index: number) => ({
    name: `${index}`,
    shape: values[index].shape,
    initialise: () => values[index].data,
  });
  const all = LAYERS.map((_, k) => k);
  const sets = (together ? [all] : all.map((k) => [k])).map(
    (group) => new ParameterSet(device, group.map(declare)),
  );
  const vectors = (pick: (value: (typeof values)[number]) => Float32Array): readonly Tensor[] =>
    together ? [] : values.map((value) => tensorFrom(device, pick(value), [pick(value).length]));
  const { tensors } = persistentTensors(device, [
    ...values.map(({ u }) => u),
    ...values.map(({ v }) => v),
  ]);
  const [us, vs] = together
    ? [tensors.slice(0, LAYERS.length), tensors.slice(LAYERS.length)]
    : [vectors(({ u }) => u), vectors(({ v }) => v)];
  return all.map((k) => ({
    weight: sets[together ? 0 : k].get(`${k}`),
    u: us[k],
    v: vs[k],
  }));
}

/**
 * Two forwards, one of which uses only some layers, with backwards that ask for different weights:
 * all that is left behind.
 */
async function trace(device: Gpu, together: boolean): Promise<Float32Array[]> {
  const layers = layersOf(device, together);
  const loss = (outputs: readonly Tensor[]): Tensor =>
    outputs.map((y, k) => scale(sum(y), k + 1)).reduce((a, b) => add(a, b));
  const first = spectralNormalizeAll(layers, { update: true });
  const second = spectralNormalizeAll(layers, { update: false });
  const weights = layers.map(({ weight }) => weight);
  backward(loss(first), weights);
  // Outputs 1 and 3 only, then a gradient of weights 0 and 2 only.
  backward(loss([second[1], second[3]]), weights);
  backward(loss(second), [weights[0], weights[2]]);
  const kept = layers.flatMap(({ weight, u, v }) => [weight.gradient.tensor, u, v]);
  return Promise.all([...first, ...second, ...kept].map((tensor) => tensor.read()));
}

suite('weights of one arena, normalised together, give the same bits as one by one', async () => {
  for (const device of [gpu, plain]) {
    const [together, alone] = [await trace(device, true), await trace(device, false)];
    for (const [index, values] of together.entries()) {
      none(compareArrays(`${index}`, values, alone[index], { atol: 0, rtol: 0 }), 'together');
    }
  }
});

suite('four layers take the dispatches of one', () => {
  const layers = layersOf(gpu, true).slice(0, 4);
  const count = (body: () => void): number => {
    const before = gpu.recorder.pendingCommands;
    body();
    return gpu.recorder.pendingCommands - before;
  };
  let outputs: readonly Tensor[] = [];
  const forward = (number: number) => () => {
    outputs = spectralNormalizeAll(layers.slice(0, number), { update: true });
  };
  assert.is(count(forward(1)), 4);
  assert.is(count(forward(4)), 4);
  const total = outputs.map((y) => sum(y)).reduce((a, b) => add(a, b));
  const weights = layers.map(({ weight }) => weight);
  // The sums' gradients, then inner products, scaled rows and gradients.
  assert.is(count(() => backward(total, weights, zeros(gpu, []))) - 1, 4 + 3);
});

suite('a NaN in the weight reaches the result and the persistent vectors', async () => {
  const data = new Float32Array(48).fill(0.25);
  data[17] = Number.NaN;
  const w = tensorFrom(gpu, data, [3, 1, 4, 4]);
  const u = tensorFrom(gpu, [0.6, 0.8, 0], [3]);
  const v = tensorFrom(gpu, new Float32Array(16).fill(0.25), [16]);
  const y = await spectralNormalize(w, u, v, { update: true }).read();
  assert.ok(y.every(Number.isNaN));
  assert.ok((await u.read()).some(Number.isNaN));
});

suite('vectors that do not fit are rejected with the shapes', () => {
  const w = zeros(gpu, [4, 3, 2, 2]);
  const attempt = (u: number, v: number, outputAxis: 0 | 1) => () =>
    spectralNormalize(w, zeros(gpu, [u]), zeros(gpu, [v]), { update: false, outputAxis });
  assert.throws(
    attempt(3, 12, 0),
    (error: Error) =>
      error instanceof ShapeError && /\[4,3,2,2\].*u \[4\].*v \[12\]/.test(error.message),
  );
  assert.throws(attempt(4, 16, 0), /found \[4\] and \[16\]/);
  assert.throws(attempt(4, 12, 1), /u \[3\] and v \[16\]/);
  assert.not.throws(attempt(3, 16, 1));
});

suite.after(() => gpu.close());
suite.run();
