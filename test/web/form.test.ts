/** A checkpoint tells the demo page every option that its run depends on. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { METHOD_NAMES } from '../../src/methods/methods.ts';
import type { OptionValues } from '../../src/run/option-values.ts';
import type { TrainConfiguration } from '../../src/train/configuration.ts';
import { runIdentity } from '../../src/train/identity.ts';
import { configureTraining } from '../../src/train/training-run.ts';
import { optionsOf, parseMore } from '../../web/src/train/form.ts';

const suite = createSuite('training form');

/** What a checkpoint of a run with these options says. */
function stateOf({ method, ...rest }: TrainConfiguration) {
  return {
    architecture: method.architecture,
    extra: runIdentity({ method, ...rest }, 9),
    ...{ step: 1, epoch: 0, batchIndex: 1, rng: {}, optimizers: {}, best: {} },
  };
}

const UNUSUAL: OptionValues = { size: 64, batch: 3, seed: 8, flip: 'on', lr: 0.001, beta1: 0.7 };

for (const method of METHOD_NAMES) {
  for (const protocol of ['paper', 'native']) {
    suite(`${method}, ${protocol}: options come back whole`, () => {
      const made = configureTraining({ ...UNUSUAL, method, protocol });
      const again = configureTraining(optionsOf(stateOf(made)));
      assert.equal(again.method.architecture, made.method.architecture);
      assert.equal(runIdentity(again, 9), runIdentity(made, 9));
    });
  }
}

suite('options in words', () => {
  assert.equal(parseMore(' --levels 4  --dropout 0 --norm batch '), {
    levels: 4,
    dropout: 0,
    norm: 'batch',
  });
  assert.throws(() => parseMore('--levles 4'), /expected an option of src\/train, found --levles/);
  assert.throws(() => parseMore('levels 4'), /found levels/);
  assert.throws(() => parseMore('--levels'), /needs a value/);
  assert.throws(() => configureTraining(parseMore('--levels four')), /levels: expected a whole/);
});

suite.run();
