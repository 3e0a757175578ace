/** Adam against PyTorch's in f64 (`optimisers.py`). */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { backward } from '../../src/autograd/backward.ts';
import { multiply } from '../../src/autograd/ops/arithmetic.ts';
import { sum } from '../../src/autograd/ops/reduce.ts';
import { Adam } from '../../src/nn/adam.ts';
import { ParameterSet } from '../../src/nn/parameter-set.ts';
import { openNodeGpu } from '../../src/node.ts';
import { readFixture } from '../support/pytorch-fixtures.ts';

interface AdamRun {
  readonly name: string;
  readonly lr: number;
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly shapes: readonly (readonly number[])[];
  /** One flat list a parameter. */
  readonly initial: readonly (readonly number[])[];
  readonly steps: readonly {
    readonly skipped: boolean;
    readonly gradients: readonly (readonly number[] | null)[];
    readonly parameters: readonly (readonly number[])[];
  }[];
  readonly final_state: readonly {
    readonly t: number;
    readonly exp_avg: readonly number[];
    readonly exp_avg_sq: readonly number[];
  }[];
}

interface CheckValue {
  readonly initial: readonly number[];
  readonly gradient_per_step: readonly (readonly number[])[];
  readonly lr: number;
  readonly betas: readonly [number, number];
  readonly parameters_after_step: readonly (readonly number[])[];
}

/** Half a unit in the last place of an f32, relative. */
const ROUNDING = 2 ** -24;

const suite = createSuite('Adam');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());
const fixture = readFixture<{ adam: AdamRun[]; adam_check_value: CheckValue }>('optimisers.json');

const nameOf = (index: number): string => `p${index}`;

function parameterSet(
  shapes: readonly (readonly number[])[],
  initial: readonly (readonly number[])[],
): ParameterSet {
  return new ParameterSet(
    gpu,
    shapes.map((shape, index) => ({
      name: nameOf(index),
      shape,
      initialise: () => Float32Array.from(initial[index]),
    })),
  );
}

/** As a backward pass would: fills the gradients of the parameters that have one. */
function setGradients(
  parameters: ParameterSet,
  gradients: readonly (readonly number[] | null)[],
): void {
  gradients.forEach((values, index) => {
    if (!values) return;
    const { gradient } = parameters.get(nameOf(index));
    gpu.write(gradient.tensor.storage, Float32Array.from(values));
    gradient.filled = true;
  });
}

/** The parameter is rounded at every step, and so is its update. */
function assertParameter(
  what: string,
  found: ArrayLike<number>,
  expected: readonly number[],
  steps: number,
  lr: number,
): void {
  expected.forEach((value, i) => {
    const bound = steps * ROUNDING * (Math.abs(value) + 16 * lr);
    const error = Math.abs(found[i] - value);
    assert.ok(error <= bound, `${what}[${i}]: found ${found[i]}, expected ${value} ± ${bound}`);
  });
}

/** Moments are sums of products of either sign: bounded by the largest of their tensor. */
function assertMoment(what: string, found: ArrayLike<number>, expected: readonly number[]): void {
  const scale = expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  expected.forEach((value, i) => {
    const error = Math.abs(found[i] - value);
    assert.ok(
      error <= 16 * ROUNDING * scale,
      `${what}[${i}]: found ${found[i]}, expected ${value}`,
    );
  });
}

for (const run of fixture.adam) {
  const [beta1, beta2] = run.betas;
  const withoutGradient = run.steps.some((step) => step.gradients.includes(null));
  if (withoutGradient) {
    suite(`${run.name}: a parameter without gradient is refused by name`, () => {
      const parameters = parameterSet(run.shapes, run.initial);
      const adam = new Adam(gpu, new Map([['net.', parameters]]), { beta1, beta2 });
      const step = run.steps.find(({ gradients }) => gradients.includes(null));
      setGradients(parameters, step?.gradients ?? []);
      assert.throws(() => adam.step(run.lr), /net\.p\d received no gradient/);
    });
    continue;
  }
  suite(`${run.name}: ${run.steps.length} steps as in PyTorch`, async () => {
    const parameters = parameterSet(run.shapes, run.initial);
    const adam = new Adam(gpu, new Map([['net.', parameters]]), {
      beta1,
      beta2,
      epsilon: run.eps,
    });
    for (const [index, step] of run.steps.entries()) {
      // A gradient scaler that met an overflow does not call the optimiser.
      if (!step.skipped) {
        setGradients(parameters, step.gradients);
        adam.step(run.lr);
      }
      const values = await parameters.read();
      step.parameters.forEach((expected, which) => {
        const what = `step ${index + 1} ${nameOf(which)}`;
        assertParameter(what, values.get(nameOf(which)) ?? [], expected, index + 1, run.lr);
      });
    }
    const state = await adam.readState();
    run.final_state.forEach(({ t, exp_avg, exp_avg_sq }, which) => {
      const name = `net.${nameOf(which)}`;
      assert.is(adam.stepCount, t);
      assertMoment(name, state.get(`exp_avg.${name}`) ?? [], exp_avg);
      assertMoment(name, state.get(`exp_avg_sq.${name}`) ?? [], exp_avg_sq);
    });
  });
}

suite('three steps by hand', async () => {
  const { initial, gradient_per_step, lr, betas, parameters_after_step } = fixture.adam_check_value;
  const parameters = parameterSet([[3]], [initial]);
  const adam = new Adam(gpu, new Map([['', parameters]]), { beta1: betas[0], beta2: betas[1] });
  for (const [index, gradient] of gradient_per_step.entries()) {
    setGradients(parameters, [gradient]);
    adam.step(lr);
    const values = (await parameters.read()).get(nameOf(0)) ?? [];
    assertParameter(`step ${index + 1}`, values, parameters_after_step[index], index + 1, lr);
  }
  assertParameter(
    'last',
    (await parameters.read()).get(nameOf(0)) ?? [],
    [0.999123045087, -1.999123045333, 0.499123045027],
    3,
    lr,
  );
});

suite('several networks are updated together, and state goes out and in', async () => {
  const make = () => {
    const first = parameterSet([[3], [70]], [[1, 2, 3], new Array(70).fill(0.5)]);
    const second = parameterSet([[2]], [[-1, 4]]);
    const networks = new Map([
      ['a.', first],
      ['b.', second],
    ]);
    return { first, second, adam: new Adam(gpu, networks, { beta1: 0.9, beta2: 0.999 }) };
  };
  type Made = ReturnType<typeof make>;
  const step = async ({ first, second, adam }: Made, t: number): Promise<void> => {
    setGradients(first, [[t, -t, 0.5], Array.from({ length: 70 }, (_, i) => Math.sin(i + t))]);
    setGradients(second, [[0.1 * t, -3]]);
    adam.step(1e-3);
    // The next gradients are written at once, not after what is recorded.
    await gpu.flush();
  };
  const straight = make();
  for (const t of [1, 2, 3, 4]) await step(straight, t);
  const before = make();
  for (const t of [1, 2]) await step(before, t);
  const after = make();
  after.first.write(await before.first.read());
  after.second.write(await before.second.read());
  after.adam.writeState(await before.adam.readState(), before.adam.stepCount);
  for (const t of [3, 4]) await step(after, t);
  assert.equal(await after.first.read(), await straight.first.read());
  assert.equal(await after.second.read(), await straight.second.read());
  assert.equal(await after.adam.readState(), await straight.adam.readState());
  assert.is(after.adam.stepCount, 4);
});

suite('a value that requires no gradient stays, whatever the others do', async () => {
  const parameters = new ParameterSet(gpu, [
    { name: 'weight', shape: [2], initialise: () => Float32Array.of(1, 2) },
    { name: 'bias', shape: [2], initialise: () => Float32Array.of(3, 4), requiresGrad: false },
  ]);
  const adam = new Adam(gpu, new Map([['net.', parameters]]), { beta1: 0.9, beta2: 0.999 });
  const [weight, bias] = [parameters.get('weight'), parameters.get('bias')];
  for (let step = 0; step < 3; step++) {
    const total = sum(multiply(weight, bias));
    assert.is(backward(total, [weight, bias]).size, 0);
    assert.not(bias.gradient.filled);
    adam.step(0.5);
  }
  const values = await parameters.read();
  assert.equal([...(values.get('bias') ?? [])], [3, 4]);
  assert.ok((values.get('weight') ?? [])[0] < 0);
});

suite.run();
