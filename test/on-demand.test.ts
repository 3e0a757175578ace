/** Code that is fetched on demand. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../src/errors.ts';
import { onDemand } from '../src/on-demand.ts';

const suite = createSuite('on demand');

suite('what was loaded is passed on', async () => {
  const { onDemand: again } = await onDemand('itself', () => import('../src/on-demand.ts'));
  assert.is(again, onDemand);
});

suite('what cannot be fetched is named, with the reason', async () => {
  const missing = './no-such-module.ts';
  const failure = await onDemand('the part', () => import(missing)).catch(
    (error: unknown) => error,
  );
  assert.instance(failure, DataError);
  assert.match(String(failure), /^DataError: the part cannot be fetched: .*no-such-module/);
});

suite.run();
