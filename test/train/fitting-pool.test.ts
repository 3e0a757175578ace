/** Image pools beside the number of training pairs. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { UsageError } from '../../src/errors.ts';
import { parseOptions } from '../../src/run/options.ts';
import { TRAIN_PROGRAM, trainConfiguration } from '../../src/train/configuration.ts';
import { withFittingPool } from '../../src/train/fitting-pool.ts';

const suite = createSuite('fitting pool');

/** The pool that a run on so many pairs gets, and what is said about it. */
function poolOf(pairs: number, ...given: string[]): { pool: unknown; said: string[] } {
  const { values } = parseOptions(TRAIN_PROGRAM, ['--data', 'd', '--out', 'o', ...given]);
  const said: string[] = [];
  const configuration = withFittingPool(trainConfiguration(values), values, pairs, (line) =>
    said.push(line),
  );
  return { pool: configuration.method.options.poolSize, said };
}

suite('a default larger than the training set is lowered, and said so', () => {
  assert.equal(poolOf(50, '--method', 'cyclegan'), { pool: 50, said: [] });
  const { pool, said } = poolOf(9, '--method', 'cyclegan');
  assert.is(pool, 9);
  assert.match(said.join(), /^image pools hold 9 fakes instead of 50/);
});

suite('what was asked for is refused', () => {
  assert.throws(
    () => poolOf(9, '--method', 'stable-cyclegan', '--pool-size', '10'),
    (error: unknown) =>
      error instanceof UsageError &&
      /^--pool-size: expected at most the 9 training pairs, found 10/.test(error.message),
  );
  assert.is(poolOf(9, '--method', 'reggan', '--mode', 'C', '--pool-size', '9').pool, 9);
});

suite('methods without pools do not mind', () => {
  for (const method of ['proposed', 'pix2pix', 'reggan'])
    assert.equal(poolOf(1, '--method', method).said, []);
});

suite.run();
