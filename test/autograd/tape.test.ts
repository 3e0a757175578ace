/** Graphs in which cotangents meet: what one branch passes on must not change under another's hands. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { backward } from '../../src/autograd/backward.ts';
import { relu, tanh } from '../../src/autograd/ops/activations.ts';
import { add, multiply, subtract } from '../../src/autograd/ops/arithmetic.ts';
import { concat } from '../../src/autograd/ops/concat.ts';
import { conv2d } from '../../src/autograd/ops/conv2d.ts';
import { scale } from '../../src/autograd/ops/scale.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { type Shape, sizeOf, type Tensor, tensorFrom } from '../../src/autograd/tensor.ts';
import { Gpu } from '../../src/gpu/gpu.ts';
import { openNodeGpu } from '../../src/node.ts';

const suite = createSuite('tape');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

const SHAPE = [1, 2, 3, 4];

function leaves(random: RandomStream, count: number): Tensor[] {
  return Array.from({ length: count }, () => {
    const leaf = tensorFrom(
      gpu,
      Float32Array.from({ length: 24 }, () => random.normal()),
      SHAPE,
    );
    leaf.requiresGrad = true;
    return leaf;
  });
}

async function gradients(output: Tensor, wrt: readonly Tensor[]): Promise<Float32Array[]> {
  const seed = tensorFrom(
    gpu,
    Float32Array.from({ length: output.size }, (_, i) => Math.cos(i)),
    output.shape,
  );
  const found = backward(output, wrt, seed);
  return Promise.all(
    wrt.map(async (tensor) => (await found.get(tensor)?.read()) ?? new Float32Array()),
  );
}

function assertClose(found: Float32Array, expected: (i: number) => number, what: string): void {
  assert.is(found.length, 24, what);
  found.forEach((value, i) => {
    const error = Math.abs(value - expected(i));
    assert.ok(error < 1e-5, `${what}[${i}]: found ${value}, expected ${expected(i)}`);
  });
}

suite('both summands keep their cotangent when one of them collects more', async () => {
  const [x, b] = leaves(new RandomStream(1, 'summands'), 2);
  const u = relu(x);
  const z = tanh(add(x, b));
  const [dx, db] = await gradients(add(z, u), [x, b]);
  const [xs, zs] = [await x.read(), await z.read()];
  const slope = (i: number): number => Math.cos(i) * (1 - zs[i] ** 2);
  assertClose(db, slope, 'gradient of the other summand');
  assertClose(dx, (i) => slope(i) + (xs[i] > 0 ? Math.cos(i) : 0), 'gradient of the shared one');
});

suite('a cotangent that is asked for survives what its inputs collect', async () => {
  const [x, b] = leaves(new RandomStream(2, 'asked'), 2);
  const u = scale(x, 3);
  const y = subtract(x, b);
  const z = tanh(y);
  const [dx, dy] = await gradients(add(z, u), [x, y]);
  const zs = await z.read();
  const slope = (i: number): number => Math.cos(i) * (1 - zs[i] ** 2);
  assertClose(dy, slope, 'gradient of the sum');
  assertClose(dx, (i) => slope(i) + 3 * Math.cos(i), 'gradient of its input');
});

/** Leaves, then ops on whatever there is: every graph against finite differences in double. */
suite('random graphs of sums and products have the gradients of their formula', async () => {
  for (let seed = 0; seed < 40; seed++) {
    const random = new RandomStream(seed, 'graphs');
    const inputs = leaves(random, 3);
    const values = await Promise.all(inputs.map((leaf) => leaf.read()));
    const steps = Array.from({ length: 7 }, (_, i) => ({
      kind: random.integer(5),
      first: random.integer(3 + i),
      second: random.integer(3 + i),
    }));
    const tensors = [...inputs];
    for (const { kind, first, second } of steps) {
      const [a, b] = [tensors[first], tensors[second]];
      tensors.push(
        [
          () => add(a, b),
          () => subtract(a, b),
          () => multiply(a, b),
          () => tanh(a),
          () => scale(a, -2),
        ][kind](),
      );
    }
    // All of it is used: the last three are added.
    const output = tensors.slice(-3).reduce((total, tensor) => add(total, tensor));
    const formula = (arrays: readonly number[]): number => {
      const numbers = [...arrays];
      for (const { kind, first, second } of steps) {
        const [a, b] = [numbers[first], numbers[second]];
        numbers.push([a + b, a - b, a * b, Math.tanh(a), -2 * a][kind]);
      }
      return numbers.slice(-3).reduce((total, value) => total + value);
    };
    const used = inputs.filter((leaf) => reaches(output, leaf));
    const found = await gradients(output, used);
    used.forEach((leaf, which) => {
      const index = inputs.indexOf(leaf);
      for (let i = 0; i < 24; i++) {
        const at = values.map((array) => array[i]);
        const shifted = (delta: number): number =>
          formula(at.map((value, k) => (k === index ? value + delta : value)));
        const expected = (Math.cos(i) * (shifted(1e-5) - shifted(-1e-5))) / 2e-5;
        const error = Math.abs(found[which][i] - expected);
        assert.ok(
          error <= 1e-4 * Math.max(1, Math.abs(expected)) * (1 + Math.abs(formula(at))),
          `graph ${seed}, leaf ${index}: found ${found[which][i]}, expected ${expected}`,
        );
      }
    });
  }
});

function reaches(output: Tensor, leaf: Tensor): boolean {
  return output === leaf || (output.node?.inputs ?? []).some((input) => reaches(input, leaf));
}

/** A chain of two convolutions; the gradient of the first's activation may be made by the second. */
async function chain(branches: boolean, asked: boolean, device: Gpu) {
  const random = new RandomStream(5, 'gates');
  const noise = (shape: Shape): Tensor => {
    const values = Float32Array.from({ length: sizeOf(shape) }, () => random.normal());
    const tensor = tensorFrom(device, values, shape);
    tensor.requiresGrad = true;
    return tensor;
  };
  const [x, first, second] = [
    [1, 2, 7, 5],
    [3, 2, 3, 3],
    [2, 3, 3, 3],
  ].map(noise);
  const options = { padding: 1, paddingMode: 'reflect' } as const;
  const leaky = { kind: 'leaky_relu', slope: 0.2 } as const;
  const hidden = conv2d(x, first, undefined, { ...options, activation: leaky });
  const output = conv2d(hidden, second, undefined, options);
  // A second use of the hidden tensor, whose gradient is 0.
  const total = branches ? concat([output, scale(hidden, 0)], 1) : output;
  const seed = tensorFrom(
    device,
    Float32Array.from({ length: total.size }, (_, i) => Math.cos(i)),
    total.shape,
  );
  const before = device.recorder.pendingCommands;
  const found = backward(total, asked ? [x, first, hidden] : [x, first], seed);
  const commands = device.recorder.pendingCommands - before;
  const read = async (tensor: Tensor) => [...((await found.get(tensor)?.read()) ?? [])];
  return { commands, gradients: [await read(x), await read(first)], hidden: await read(hidden) };
}

suite('the slope of an activation is multiplied on the way where nothing else needs it', async () => {
  const plain = new Gpu(gpu.device, { kind: 'gpu', subgroupSize: 0, f16: false });
  for (const device of [gpu, plain]) {
    const alone = await chain(false, false, device);
    const shared = await chain(true, false, device);
    const asked = await chain(false, true, device);
    assert.is(alone.commands, asked.commands - 1);
    assert.equal(alone.gradients, asked.gradients);
    assert.equal(alone.gradients, shared.gradients);
    assert.is(asked.hidden.length, 3 * 35);
  }
});

suite('a convolution that adds its gradient in place leaves other branches alone', async () => {
  const [x, b] = leaves(new RandomStream(3, 'in place'), 2);
  const weight = tensorFrom(gpu, [0.5, -1, 2, 0.25], [2, 2, 1, 1]);
  // Forward order puts the convolution first, so that its gradient comes last.
  const u = conv2d(x, weight, undefined);
  const z = tanh(add(x, b));
  const joined = concat([z, u], 1);
  const [dx, db] = await gradients(joined, [x, b]);
  const zs = await z.read();
  const slope = (i: number): number => Math.cos(i) * (1 - zs[i] ** 2);
  const through = (i: number): number => {
    const [channel, pixel] = [Math.floor(i / 12), i % 12];
    const w = [0.5, -1, 2, 0.25];
    return Math.cos(24 + pixel) * w[channel] + Math.cos(36 + pixel) * w[2 + channel];
  };
  assertClose(db, slope, 'gradient of the other summand');
  assertClose(dx, (i) => slope(i) + through(i), 'gradient of the shared one');
});

suite.run();
