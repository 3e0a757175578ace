/** The loss scale on the device against the rules on the host, and what optimisers make of it. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { CheckpointError, NumericalError, UsageError } from '../../src/errors.ts';
import { assertScales } from '../../src/methods/precision.ts';
import { Adam } from '../../src/nn/adam.ts';
import { GradientScaler } from '../../src/nn/gradient-scaler.ts';
import { LossScaler } from '../../src/nn/loss-scaler.ts';
import { ParameterSet } from '../../src/nn/parameter-set.ts';
import { openNodeGpu } from '../../src/node.ts';

const suite = createSuite('loss scaler');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

const RULES = { initial: 1024, growth: 4, backoff: 0.25, interval: 3 };
const BETAS = { beta1: 0.5, beta2: 0.999 };

/** Two optimisers with a parameter of five values each. */
function makeOptimisers(): { sets: ParameterSet[]; optimisers: Adam[] } {
  const sets = [0, 1].map(
    (index) =>
      new ParameterSet(gpu, [
        {
          name: 'p',
          shape: [5],
          initialise: () => Float32Array.of(1, 2, 3, 4, 5).map((value) => value + index),
        },
      ]),
  );
  return { sets, optimisers: sets.map((set) => new Adam(gpu, new Map([['', set]]), BETAS)) };
}

/** Puts gradients of one step, multiplied by a scale, where a backward pass would. */
function giveGradients(sets: readonly ParameterSet[], step: number, scale: number): void {
  for (const set of sets) {
    const slot = set.get('p').gradient;
    const values = [0.125, -3e-5, 2, 1e-4, -0.7].map((value) => Math.fround(value * (step + 1)));
    gpu.write(
      slot.tensor.storage,
      Float32Array.from(values, (value) => value * scale),
    );
    slot.filled = true;
  }
}

const read = async (sets: readonly ParameterSet[]): Promise<number[]> => {
  const values: number[] = [];
  for (const set of sets) values.push(...((await set.read()).get('p') ?? []));
  return values;
};

suite('scale, counter and skipped steps follow the rules; skipped steps change nothing', async () => {
  const bad = [2, 3, 9];
  const rules = new GradientScaler(RULES);
  const scaler = new LossScaler(gpu, RULES);
  const { sets, optimisers } = makeOptimisers();
  const plain = makeOptimisers();
  let skipped = 0;
  for (let step = 0; step < 12; step++) {
    const cotangent = scaler.cotangent();
    assert.is((await cotangent.read())[0], rules.scale);
    cotangent.dispose();
    giveGradients(sets, step, rules.scale);
    if (bad.includes(step)) {
      // In the second optimiser alone: both have to leave the step out.
      const slot = sets[1].get('p').gradient;
      const value = step === 2 ? Number.NaN : Number.NEGATIVE_INFINITY;
      gpu.write(slot.tensor.storage, Float32Array.of(1, 2, value, 4, 5));
    }
    const before = await read(sets);
    const makesStep = rules.update(bad.includes(step));
    scaler.update(optimisers, 1e-2);
    const after = await read(sets);
    if (!makesStep) {
      skipped++;
      assert.equal(after, before);
    } else {
      giveGradients(plain.sets, step, 1);
      for (const optimiser of plain.optimisers) optimiser.step(1e-2);
      // As if the skipped steps had never been: the corrections count those that were made.
      const expected = await read(plain.sets);
      after.forEach((value, index) => {
        assert.ok(Math.abs(value - expected[index]) <= 1e-6 * Math.abs(expected[index]), `${step}`);
      });
      assert.not.equal(after, before);
    }
    const { scale, counter } = rules.state();
    assert.equal(await scaler.readState(), {
      scale,
      counter,
      applied: step + 1 - skipped,
      skipped,
    });
  }
  assert.is(skipped, bad.length);
  assert.ok(rules.scale !== RULES.initial);
  for (const optimiser of [...optimisers, ...plain.optimisers]) optimiser.dispose();
  for (const set of [...sets, ...plain.sets]) set.dispose();
  scaler.dispose();
});

suite('a scale that can grow no further stays', async () => {
  const scaler = new LossScaler(gpu, { initial: 2 ** 127, interval: 1 });
  const { sets, optimisers } = makeOptimisers();
  giveGradients(sets, 0, 1);
  scaler.update(optimisers, 1e-2);
  assert.equal(await scaler.readState(), { scale: 2 ** 127, counter: 0, applied: 1, skipped: 0 });
});

suite("Adam's corrections are exact over thousands of steps", async () => {
  for (const applied of [0, 1, 9, 99, 499, 9999]) {
    const scaler = new LossScaler(gpu, RULES);
    scaler.writeState({ scale: 1, counter: 0, applied, skipped: 0 }, 'test');
    const { sets, optimisers } = makeOptimisers();
    const plain = makeOptimisers();
    for (const optimiser of plain.optimisers) optimiser.stepCount = applied;
    giveGradients(sets, 1, 1);
    giveGradients(plain.sets, 1, 1);
    scaler.update(optimisers, 1e-2);
    for (const optimiser of plain.optimisers) optimiser.step(1e-2);
    const expected = await read(plain.sets);
    const found = await read(sets);
    found.forEach((value, index) => {
      assert.ok(Math.abs(value - expected[index]) <= 4e-7 * Math.abs(expected[index]));
    });
  }
});

suite('states are taken back, and what is none is refused', async () => {
  const scaler = new LossScaler(gpu, RULES);
  const state = { scale: 512, counter: 2, applied: 7, skipped: 3 };
  scaler.writeState(state, 'test');
  assert.equal(await scaler.readState(), state);
  for (const wrong of [
    undefined,
    { ...state, scale: 'x' },
    { ...state, applied: -1 },
    { ...state, counter: 3 },
    { ...state, scale: 0 },
  ]) {
    assert.throws(
      () => scaler.writeState(wrong, 'step-7: loss scale G'),
      (error: unknown) => error instanceof CheckpointError && /step-7/.test(error.message),
    );
  }
  assert.equal(await scaler.readState(), state);
});

suite('optimisers of different settings do not step together', () => {
  const { sets, optimisers } = makeOptimisers();
  const other = new Adam(gpu, new Map([['', sets[1]]]), { beta1: 0.9, beta2: 0.999 });
  assert.throws(
    () => new LossScaler(gpu).update([optimisers[0], other], 1),
    (error: unknown) => error instanceof UsageError,
  );
});

suite('a scale below 1 is divergence', () => {
  assertScales({ scale_G: 1, skipped_G: 0 }, 3);
  for (const scale of [0.5, Number.NaN]) {
    assert.throws(
      () => assertScales({ scale_D: 65536, scale_G: scale }, 3),
      (error: unknown) => error instanceof NumericalError && /step 3: scale_G/.test(error.message),
    );
  }
});

suite.run();
