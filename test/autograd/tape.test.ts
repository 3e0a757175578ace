/** Graphs in which cotangents meet: what one branch passes on must not change under another's hands. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { relu, tanh } from '../../src/autograd/ops/activations.ts';
import { add, multiply, scale, subtract } from '../../src/autograd/ops/arithmetic.ts';
import { concat } from '../../src/autograd/ops/concat.ts';
import { conv2d } from '../../src/autograd/ops/conv2d.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { backward } from '../../src/autograd/tape.ts';
import { type Tensor, tensorFrom } from '../../src/autograd/tensor.ts';
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
