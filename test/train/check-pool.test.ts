/** Image pools beside the number of training pairs. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { UsageError } from '../../src/errors.ts';
import { parseOptions } from '../../src/run/options.ts';
import { checkPool } from '../../src/train/check-pool.ts';
import { TRAIN_PROGRAM } from '../../src/train/configuration.ts';
import { parseMore } from '../../web/src/train/form.ts';

const suite = createSuite('check of image pools');

/** What is said about a run's pools, on so many pairs. */
function check(pairs: number, ...given: string[]): string[] {
  const { values } = parseOptions(TRAIN_PROGRAM, ['--data', 'd', '--out', 'o', ...given]);
  const said: string[] = [];
  checkPool(values, pairs, (line) => said.push(line));
  return said;
}

suite('a default larger than the training set is remarked on', () => {
  assert.equal(check(50, '--method', 'cyclegan'), []);
  assert.match(check(9, '--method', 'cyclegan').join(), /^image pools of 50 .* 9 training pairs/);
});

suite('the default is remarked on, not refused, where a printed configuration says it', () => {
  const options = ['--method', 'cyclegan', '--pool-size', '50'];
  assert.match(check(9, ...options).join(), /^image pools of 50 .* 9 training pairs/);
});

suite('what was asked for is refused', () => {
  assert.throws(
    () => check(9, '--method', 'stable-cyclegan', '--pool-size', '10'),
    (error: unknown) =>
      error instanceof UsageError &&
      /^--pool-size: expected at most the 9 training pairs, found 10/.test(error.message),
  );
  assert.equal(check(9, '--method', 'reggan', '--mode', 'C', '--pool-size', '9'), []);
});

suite('what a page has in its form is checked alike', () => {
  const values = { method: 'cyclegan', size: 32, ...parseMore('--pool-size 10') };
  assert.throws(() => checkPool(values, 9, () => undefined), /^--pool-size: .* found 10/);
  const said: string[] = [];
  checkPool({ ...values, 'pool-size': undefined }, 9, (line) => said.push(line));
  assert.match(said.join(), /^image pools of 50/);
});

suite('methods without pools do not mind', () => {
  for (const method of ['proposed', 'pix2pix', 'reggan']) {
    assert.equal(check(1, '--method', method), []);
  }
});

suite.run();
