/** How long the main thread sleeps while a software driver works, on a clock of our own. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { Patience } from '../../src/gpu/patience.ts';

const suite = createSuite<{ clock: { time: number }; patience: Patience }>('patience');
suite.before.each((context) => {
  const clock = { time: 0 };
  context.clock = clock;
  context.patience = new Patience(() => clock.time);
});

suite('work of an unknown kind is not slept through', async ({ clock, patience }) => {
  patience.submitted(2);
  clock.time += 60_000;
  patience.done();
  patience.submitted(2000);
  assert.is(patience.remaining, 0);
  await patience.sleep();
});

suite('work of a known kind is slept through for most of its time, never longer', ({
  clock,
  patience,
}) => {
  for (let i = 0; i < 8; i++) {
    patience.submitted(3);
    patience.submitted(4);
    clock.time += 60;
    patience.done();
  }
  patience.submitted(7);
  assert.ok(patience.remaining > 45 && patience.remaining < 60, `${patience.remaining} ms`);
  clock.time += 59;
  assert.is(patience.remaining, 0);
});

suite('an estimate that was too long shrinks, although the sleep is part of what is measured', ({
  clock,
  patience,
}) => {
  for (let i = 0; i < 6; i++) {
    patience.submitted(3);
    clock.time += 1000;
    patience.done();
  }
  for (let i = 0; i < 30; i++) {
    patience.submitted(3);
    clock.time += Math.max(10, patience.remaining);
    patience.done();
  }
  patience.submitted(3);
  assert.ok(patience.remaining < 15, `${patience.remaining} ms`);
});

suite.run();
