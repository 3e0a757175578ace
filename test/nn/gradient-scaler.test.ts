/** The gradient scaler's state machine against PyTorch's (`optimisers.py`). */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { UsageError } from '../../src/errors.ts';
import { Adam } from '../../src/nn/adam.ts';
import { GradientScaler } from '../../src/nn/gradient-scaler.ts';
import { ParameterSet } from '../../src/nn/parameter-set.ts';
import { openNodeGpu } from '../../src/node.ts';
import { readFixture } from '../support/pytorch-fixtures.ts';

interface Fixture {
  readonly gradient_scaler: readonly {
    readonly name: string;
    readonly initial: number;
    readonly growth: number;
    readonly backoff: number;
    readonly interval: number;
    readonly steps: readonly {
      readonly found_inf: boolean;
      readonly scale: number;
      readonly inverse_scale: number;
      readonly stepped: boolean;
      readonly scale_after: number;
      readonly counter_after: number;
    }[];
  }[];
  readonly gradient_scaler_long_run: {
    readonly infinities_at_steps: readonly number[];
    readonly steps: number;
    readonly changes: readonly { readonly after_step: number; readonly scale: number }[];
  };
}

const suite = createSuite('gradient scaler');
const fixture = readFixture<Fixture>('optimisers.json');

for (const trace of fixture.gradient_scaler) {
  suite(`${trace.name}: every step as in PyTorch`, () => {
    const scaler = new GradientScaler(trace);
    assert.ok(trace.steps.length > 2);
    for (const step of trace.steps) {
      assert.is(scaler.scale, step.scale);
      assert.is(scaler.inverseScale, step.inverse_scale);
      assert.is(scaler.update(step.found_inf), step.stepped);
      assert.equal(scaler.state(), { scale: step.scale_after, counter: step.counter_after });
    }
  });
}

suite('6500 steps with the defaults, saved and restored on the way', () => {
  const { infinities_at_steps, steps, changes } = fixture.gradient_scaler_long_run;
  let scaler = new GradientScaler();
  const found: { after_step: number; scale: number }[] = [];
  for (let step = 1; step <= steps; step++) {
    const before = scaler.scale;
    scaler.update(infinities_at_steps.includes(step));
    if (scaler.scale !== before) found.push({ after_step: step, scale: scaler.scale });
    if (step === 3000) {
      const state = scaler.state();
      scaler = new GradientScaler();
      scaler.restore(state);
    }
  }
  assert.equal(found, changes);
});

suite('settings and states that make no sense are refused', () => {
  const bad = [{ initial: 0 }, { initial: 1e39 }, { growth: 1 }, { backoff: 1 }, { interval: 1.5 }];
  for (const options of bad) {
    assert.throws(
      () => new GradientScaler(options),
      (error: unknown) => error instanceof UsageError,
    );
  }
  const scaler = new GradientScaler({ interval: 3 });
  for (const state of [
    { scale: Number.NaN, counter: 0 },
    { scale: 0.1, counter: 0 },
    { scale: 1, counter: 3 },
  ]) {
    assert.throws(
      () => scaler.restore(state),
      (error: unknown) => error instanceof UsageError,
    );
  }
  assert.equal(scaler.state(), { scale: 65536, counter: 0 });
});

suite('Adam from scaled gradients takes the step of unscaled ones', async () => {
  const gpu = await openNodeGpu();
  const scaler = new GradientScaler();
  const gradient = [0.125, -3e-5, 2, 1e-7, -0.7];
  const after = async (scale: number, inverse: number): Promise<number[]> => {
    const parameters = new ParameterSet(gpu, [
      { name: 'p', shape: [5], initialise: () => Float32Array.of(1, 2, 3, 4, 5) },
    ]);
    const adam = new Adam(gpu, new Map([['', parameters]]), { beta1: 0.9, beta2: 0.999 });
    const slot = parameters.get('p').gradient;
    const values = gradient.map((value) => Math.fround(value) * scale);
    gpu.write(slot.tensor.storage, Float32Array.from(values));
    slot.filled = true;
    adam.step(1e-3, inverse);
    return [...((await parameters.read()).get('p') ?? [])];
  };
  // Powers of two: exact.
  assert.equal(await after(scaler.scale, scaler.inverseScale), await after(1, 1));
  gpu.close();
});

suite.run();
