/** How long the main thread sleeps while a software driver works. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { Patience } from '../../src/gpu/patience.ts';

const suite = createSuite('patience');

const wait = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Submits work, waits as the device would, and reports it done. */
async function work(patience: Patience, dispatches: number, milliseconds: number): Promise<void> {
  patience.submitted(dispatches);
  await wait(milliseconds);
  patience.done();
}

suite('work of an unknown kind is not slept through', async () => {
  const patience = new Patience();
  await work(patience, 2, 60);
  patience.submitted(2000);
  assert.is(patience.remaining, 0);
  const before = performance.now();
  await patience.sleep();
  assert.ok(performance.now() - before < 20);
});

suite('work of a known kind is slept through for most of its time, never longer', async () => {
  const patience = new Patience();
  for (let i = 0; i < 6; i++) await work(patience, 7, 60);
  patience.submitted(7);
  const { remaining } = patience;
  assert.ok(remaining > 20 && remaining < 60, `${remaining} ms`);
});

suite('an estimate that was too long shrinks', async () => {
  const patience = new Patience();
  await work(patience, 3, 200);
  await work(patience, 3, 200);
  for (let i = 0; i < 12; i++) {
    patience.submitted(3);
    await patience.sleep();
    patience.done();
  }
  patience.submitted(3);
  assert.ok(patience.remaining < 60, `${patience.remaining} ms`);
});

suite.run();
