/**
 * Values at the ends of what floats can hold. NaN must reach everything that depends on it: a maximum,
 * a comparison or a skipped product would hide it. Huge, tiny and equal values must give finite ones.
 */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { backward } from '../../src/autograd/backward.ts';
import { leakyRelu, relu, sigmoid, tanh } from '../../src/autograd/ops/activations.ts';
import { instanceNorm } from '../../src/autograd/ops/instance-norm.ts';
import { bceWithLogits } from '../../src/autograd/ops/losses.ts';
import { lpipsDistance } from '../../src/autograd/ops/lpips-distance.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { OPS } from '../../src/autograd/registry/index.ts';
import { type HostArray, hostArray, type OpCase } from '../../src/autograd/registry/row.ts';
import { noGrad } from '../../src/autograd/tape.ts';
import { sizeOf, type Tensor, tensorFrom } from '../../src/autograd/tensor.ts';
import { openNodeGpu } from '../../src/node.ts';

const suite = createSuite('adversarial values');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

const upload = ({ data, shape }: HostArray): Tensor =>
  tensorFrom(gpu, Float32Array.from(data), shape);

/** Samples of an op small enough to find out by trial which outputs an input reaches. */
const MOST_ELEMENTS = 3000;
const SAMPLES = 4;

/** The arrays with one element replaced. */
function replaced(arrays: readonly HostArray[], which: number, at: number, value: number) {
  return arrays.map((array, index) => {
    if (index !== which) return array;
    const data = array.data.slice();
    data[at] = value;
    return hostArray(array.shape, data);
  });
}

/** Outputs that change when an element is moved a little or far, up and down. */
function dependents(op: OpCase, which: number, at: number): Set<number> {
  const { data } = op.forward(op.inputs);
  const found = new Set<number>();
  for (const shift of [0.5, -0.5, 100, -100]) {
    const moved = op.forward(replaced(op.inputs, which, at, op.inputs[which].data[at] + shift));
    moved.data.forEach((value, i) => {
      if (value !== data[i]) found.add(i);
    });
  }
  return found;
}

/** Outputs that NaN in an element makes NaN, by the reference. */
function madeNaN(op: OpCase, which: number, at: number): Set<number> {
  const { data } = op.forward(replaced(op.inputs, which, at, Number.NaN));
  return new Set([...data.keys()].filter((i) => Number.isNaN(data[i])));
}

for (const row of OPS) {
  suite(`${row.name}: NaN reaches every output that depends on it`, async () => {
    const random = new RandomStream(4, row.name);
    const cases = row
      .cases(random)
      .filter(({ inputs }) => inputs.every(({ data }) => data.length <= MOST_ELEMENTS))
      .slice(0, SAMPLES);
    assert.ok(cases.length > 0);
    let reached = 0;
    for (const op of cases) {
      for (const [which, { data }] of op.inputs.entries()) {
        // An op that only chooses depends on its input without a slope.
        const isChoice = op.constant.length === op.inputs.length;
        if (op.constant.includes(which) && !isChoice) continue;
        const at = random.integer(data.length);
        const expected = isChoice ? madeNaN(op, which, at) : dependents(op, which, at);
        const inputs = replaced(op.inputs, which, at, Number.NaN).map(upload);
        const output = gpu.scope(() => noGrad(() => op.run(inputs)));
        const values = await output.read();
        for (const i of expected) {
          const what = `${op.label}: output ${i} of NaN in input ${which} at ${at}: ${values[i]}`;
          assert.ok(Number.isNaN(values[i]), what);
        }
        reached += expected.size;
        for (const tensor of [output, ...inputs]) tensor.dispose();
      }
    }
    assert.ok(reached > 0, 'no element was chosen that an output depends on');
  });

  suite(`${row.name}: NaN in a cotangent reaches the gradients`, async () => {
    const random = new RandomStream(5, row.name);
    const op = row
      .cases(random)
      .find(({ inputs }) => inputs.every(({ data }) => data.length <= MOST_ELEMENTS));
    assert.ok(op);
    if (!op) return;
    const cotangent = hostArray(op.forward(op.inputs).shape);
    cotangent.data.fill(1);
    const at = random.integer(cotangent.data.length);
    const before = op.backward(op.inputs, cotangent);
    const [moved] = replaced([cotangent], 0, at, 3);
    const after = op.backward(op.inputs, moved);
    const inputs = op.inputs.map(upload);
    inputs.forEach((input, index) => {
      input.requiresGrad = !op.constant.includes(index);
    });
    const wrt = inputs.filter(({ requiresGrad }) => requiresGrad);
    const seed = upload(replaced([cotangent], 0, at, Number.NaN)[0]);
    const found = gpu.scope(() => backward(op.run(inputs), wrt, seed));
    for (const [index, input] of inputs.entries()) {
      const values = (await found.get(input)?.read()) ?? [];
      after[index]?.data.forEach((value, i) => {
        if (value === before[index]?.data[i]) return;
        assert.ok(Number.isNaN(values[i]), `${op.label}: gradient ${index} at ${i}: ${values[i]}`);
      });
    }
  });
}

/** Smallest normal, subnormals of either sign, the largest floats. */
const EXTREMES = [
  0,
  2 ** -126,
  2 ** -140,
  -(2 ** -149),
  1e-30,
  89,
  -89,
  1e4,
  -1e4,
  1e30,
  -1e30,
  3.4028234e38,
  -3.4028234e38,
];

suite('activations of extreme values are finite and right, and so are their slopes', async () => {
  // Devices may flush subnormals to 0.
  const tiny = 2 ** -126;
  type Case = readonly [string, (x: Tensor) => Tensor, (x: number) => number, number];
  const cases: readonly Case[] = [
    ['relu', relu, (x) => Math.max(x, 0), 0],
    ['leakyRelu', (x) => leakyRelu(x, 0.2), (x) => (x > 0 ? x : 0.2 * x), 0],
    ['tanh', tanh, Math.tanh, 1e-6],
    ['sigmoid', sigmoid, (x) => 1 / (1 + Math.exp(-x)), 1e-6],
  ];
  for (const [name, op, value, absolute] of cases) {
    const x = tensorFrom(gpu, EXTREMES, [EXTREMES.length]);
    x.requiresGrad = true;
    const ones = tensorFrom(gpu, new Array(EXTREMES.length).fill(1), x.shape);
    const y = op(x);
    const gradient = await (backward(y, [x], ones).get(x) as Tensor).read();
    const values = await y.read();
    EXTREMES.forEach((input, i) => {
      const expected = value(Math.fround(input));
      const error = Math.abs(values[i] - expected);
      // The bounded ones are off by a few units of 2⁻²⁴ near 0.
      const bound = Math.abs(expected) <= 1 ? absolute : 1e-7 * Math.abs(expected);
      assert.ok(error <= tiny + bound, `${name}(${input}) = ${values[i]}`);
      assert.ok(Math.abs(gradient[i]) <= 1.000001, `slope of ${name} at ${input}: ${gradient[i]}`);
    });
  }
});

suite('a loss of saturated logits is what it tends to, with finite slopes', async () => {
  for (const [x, target, expected, slope] of [
    [1e4, 1, 0, 0],
    [1e4, 0, 1e4, 1],
    [-1e4, 1, 1e4, -1],
    [-1e4, 0, 0, 0],
    [1e30, 0, 1e30, 1],
    [-3e38, 1, 3e38, -1],
    [2 ** -140, 0.5, Math.LN2, 0],
  ] as const) {
    const logit = tensorFrom(gpu, [x], [1]);
    logit.requiresGrad = true;
    const loss = bceWithLogits(logit, target);
    const gradient = await (backward(loss, [logit]).get(logit) as Tensor).read();
    const [value] = await loss.read();
    assert.ok(Math.abs(value - expected) <= 1e-6 * Math.max(1, expected), `loss of ${x}: ${value}`);
    assert.ok(Math.abs(gradient[0] - slope) <= 1e-6, `slope of ${x}: ${gradient[0]}`);
  }
});

suite('planes without variance become 0, of whatever value and size', async () => {
  const sizes = [
    [1, 2],
    [3, 3],
    [8, 8],
    [17, 19],
    [64, 64],
  ];
  for (const [height, width] of sizes) {
    const levels = [0, 1, -0.3, 2 ** -140, 1e-20, 12345.678, 1e18];
    const shape = [1, levels.length, height, width];
    const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) =>
      Math.fround(levels[Math.floor(i / (height * width))]),
    );
    const x = tensorFrom(gpu, data, shape);
    x.requiresGrad = true;
    const cotangent = data.map((_, i) => Math.sin(i));
    const y = instanceNorm(x);
    const gradient = backward(y, [x], tensorFrom(gpu, cotangent, shape)).get(x) as Tensor;
    assert.ok(
      (await y.read()).every((value) => value === 0),
      `${height}x${width}`,
    );
    // The slope there is 1/√ε, of the cotangent less its mean.
    const bound = 2.1 / Math.sqrt(1e-5);
    const slopes = await gradient.read();
    assert.ok(
      slopes.every((value) => Math.abs(value) <= bound),
      `${height}x${width}`,
    );
    assert.ok(slopes.some((value) => value !== 0));
  }
});

suite('features that are all 0 at a pixel give finite distances and gradients', async () => {
  const shape = [2, 5, 3, 3];
  const pixels = 9;
  const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.abs(Math.sin(i)));
  const holes = data.map((value, i) => (i % pixels < 4 ? 0 : value));
  const weights = tensorFrom(gpu, [1, 0.5, 2, 0, 3], [5]);
  for (const [a, b] of [
    [holes, data],
    [data, holes],
    [holes, holes],
    [new Float32Array(data.length), new Float32Array(data.length)],
    [data.map((value) => value * 2 ** -100), data],
  ]) {
    const first = tensorFrom(gpu, a, shape);
    const second = tensorFrom(gpu, b, shape);
    // As in a network: a ReLU in front passes nothing back from what is 0.
    first.requiresGrad = true;
    second.requiresGrad = true;
    const distance = lpipsDistance(relu(first), relu(second), weights);
    const found = backward(distance, [first, second], tensorFrom(gpu, [1, -2], [2]));
    assert.ok((await distance.read()).every(Number.isFinite));
    for (const tensor of [first, second]) {
      assert.ok((await found.get(tensor)?.read())?.every(Number.isFinite));
    }
  }
});

suite.run();
