import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { adam, adamHyper } from '../../kernels/adam.ts';
import { exponentialAverage, exponentialAverageRate } from '../../kernels/exponential-average.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { openNodeGpu } from '../../src/node.ts';

const suite = createSuite('kernels over arenas');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

interface Settings {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly gradientScale: number;
}

const PAPER: Settings = {
  learningRate: 3e-4,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  gradientScale: 1,
};

/** Adam in double precision, as PyTorch writes it. */
class HostAdam {
  private readonly first: Float64Array;
  private readonly second: Float64Array;
  readonly parameters: Float64Array;
  private steps = 0;

  constructor(parameters: ArrayLike<number>) {
    this.parameters = Float64Array.from(parameters);
    this.first = new Float64Array(parameters.length);
    this.second = new Float64Array(parameters.length);
  }

  step(gradient: ArrayLike<number>, { learningRate, beta1, beta2, epsilon }: Settings): void {
    this.steps++;
    for (let i = 0; i < this.parameters.length; i++) {
      this.first[i] = beta1 * this.first[i] + (1 - beta1) * gradient[i];
      this.second[i] = beta2 * this.second[i] + (1 - beta2) * gradient[i] ** 2;
      const mean = this.first[i] / (1 - beta1 ** this.steps);
      const square = this.second[i] / (1 - beta2 ** this.steps);
      this.parameters[i] -= (learningRate * mean) / (Math.sqrt(square) + epsilon);
    }
  }
}

/** Runs Adam on the device from `initial`, one gradient a step. */
async function deviceAdam(
  initial: Float32Array,
  gradients: readonly Float32Array[],
  settings: Settings,
): Promise<Float32Array> {
  const { length } = initial;
  const parameters = gpu.upload(initial);
  const first = gpu.upload(new Float32Array(length));
  const second = gpu.upload(new Float32Array(length));
  gradients.forEach((gradient, index) => {
    const hyper = gpu.upload(adamHyper({ ...settings, step: index + 1 }));
    gpu.run(adam(length), [gpu.upload(gradient), hyper, parameters, first, second]);
  });
  return new Float32Array(await gpu.read(parameters, length));
}

suite('Adam gives the published check value', async () => {
  const gradients = [1, 2, 3].map((s) => Float32Array.of(s * 0.1, s * -0.02, s * 3));
  const found = await deviceAdam(Float32Array.of(1, -2, 0.5), gradients, PAPER);
  const expected = [0.999123045087, -1.999123045333, 0.499123045027];
  expected.forEach((value, i) => {
    assert.ok(Math.abs(found[i] - value) < 2e-7, `parameter ${i}: ${found[i]}, expected ${value}`);
  });
});

suite('Adam follows double precision over 50 steps, at sizes around vec4', async () => {
  for (const [length, settings] of [
    [1, PAPER],
    [7, { ...PAPER, beta1: 0.5, learningRate: 2e-4 }],
    [1000, { ...PAPER, learningRate: 0.01 }],
  ] as const) {
    const random = new RandomStream(5, length);
    const draw = (scale: number): Float32Array =>
      Float32Array.from({ length }, () => random.normal() * scale);
    const initial = draw(1);
    const gradients = Array.from({ length: 50 }, (_, step) => draw(10 ** ((step % 7) - 5)));
    const host = new HostAdam(initial);
    for (const gradient of gradients) host.step(gradient, settings);
    const found = await deviceAdam(initial, gradients, settings);
    host.parameters.forEach((value, i) => {
      // An update is at most about one learning rate; parameters round at 1 ulp a step.
      const bound = 50 * settings.learningRate * 1e-5 + 50 * 6e-8 * Math.max(1, Math.abs(value));
      assert.ok(Math.abs(found[i] - value) < bound, `${length}: ${found[i]}, expected ${value}`);
    });
  }
});

suite('Adam undoes the loss scale', async () => {
  const initial = Float32Array.of(1, -2, 0.5, 3);
  const gradient = Float32Array.of(0.5, -0.25, 1e-3, 8);
  const scaled = gradient.map((value) => value * 1024);
  const plain = await deviceAdam(initial, [gradient, gradient], PAPER);
  const unscaled = await deviceAdam(initial, [scaled, scaled], {
    ...PAPER,
    gradientScale: 1 / 1024,
  });
  assert.equal([...unscaled], [...plain]);
});

suite('a parameter without gradient stays where it is, and NaN is not hidden', async () => {
  const initial = Float32Array.of(1, -2, 0.5);
  const gradient = Float32Array.of(0, Number.NaN, 1);
  const found = await deviceAdam(initial, [gradient], PAPER);
  assert.is(found[0], 1);
  assert.ok(Number.isNaN(found[1]));
  assert.ok(found[2] < 0.5);
});

suite('the exponential average follows double precision', async () => {
  const length = 1003;
  const random = new RandomStream(6, 'average');
  const draw = (): Float32Array => Float32Array.from({ length }, () => random.normal());
  const initial = draw();
  const average = gpu.upload(initial);
  const expected = Float64Array.from(initial);
  for (const decay of [0.5, 0.9, 0.999, 0.999, 1, 0.99]) {
    const value = draw();
    gpu.run(exponentialAverage(length), [
      gpu.upload(value),
      gpu.upload(exponentialAverageRate(decay)),
      average,
    ]);
    expected.forEach((before, i) => {
      expected[i] = decay * before + (1 - decay) * value[i];
    });
  }
  const found = new Float32Array(await gpu.read(average, length));
  expected.forEach((value, i) => {
    assert.ok(Math.abs(found[i] - value) < 2e-6, `${i}: ${found[i]}, expected ${value}`);
  });
});

suite('a decay of 0 copies', async () => {
  const average = gpu.upload(Float32Array.of(5, 6, 7));
  const value = Float32Array.of(0.1, -0.2, 0.3);
  gpu.run(exponentialAverage(3), [
    gpu.upload(value),
    gpu.upload(exponentialAverageRate(0)),
    average,
  ]);
  const found = new Float32Array(await gpu.read(average, 3));
  found.forEach((x, i) => {
    assert.ok(Math.abs(x - value[i]) < 1e-6);
  });
});

suite.run();
