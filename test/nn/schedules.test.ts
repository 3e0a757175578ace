/** Learning-rate schedules against PyTorch's (`optimisers.py`). */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { linearDecaySchedule, type Schedule, stepSchedule } from '../../src/nn/schedules.ts';
import { readFixture } from '../support/pytorch-fixtures.ts';

interface Rates {
  readonly lr: number;
  readonly epochs_from_0: Readonly<Record<string, number>>;
}

interface Fixture {
  readonly schedules: {
    readonly step: Rates & { readonly step_size: number; readonly gamma: number };
    readonly linear: Rates & { readonly constant: number; readonly decay: number };
  };
}

const suite = createSuite('schedules');
const { step, linear } = readFixture<Fixture>('optimisers.json').schedules;

function assertRates(schedule: Schedule, rates: Rates): void {
  const epochs = Object.entries(rates.epochs_from_0);
  assert.ok(epochs.length > 5);
  for (const [epoch, expected] of epochs) {
    const error = Math.abs(schedule(Number(epoch)) - expected);
    assert.ok(error <= 1e-12 * rates.lr, `epoch ${epoch}: ${schedule(Number(epoch))}`);
  }
}

suite('StepLR', () => assertRates(stepSchedule(step.lr, step.step_size, step.gamma), step));

suite('linear decay', () => {
  assertRates(linearDecaySchedule(linear.lr, linear.constant, linear.decay), linear);
});

suite.run();
