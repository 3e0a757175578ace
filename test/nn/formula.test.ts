import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { formulaTensor, hashes, signed } from '../fixtures/pytorch/formula.ts';
import { readFixture } from '../support/pytorch-fixtures.ts';

interface Sample {
  readonly key: number;
  readonly first_hashes: readonly number[];
  readonly first_signed: readonly number[];
  readonly weight_5x3x4x4_first: readonly number[];
}

const suite = createSuite('formula weights');
const { formula_samples } = readFixture<{ formula_samples: Sample[] }>('networks.json');

suite('are those that Python computes', () => {
  assert.ok(formula_samples.length > 0);
  for (const sample of formula_samples) {
    const { key } = sample;
    assert.equal([...hashes(key, 4)], sample.first_hashes);
    assert.equal([...signed(key, 4)], sample.first_signed);
    const weight = formulaTensor({ name: 'conv.weight', key, shape: [5, 3, 4, 4] });
    assert.is(weight.length, 240);
    assert.equal([...weight.subarray(0, 4)], sample.weight_5x3x4x4_first);
  }
});

suite.run();
