/** Statistics of repeated measurements. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { Clock } from '../../bench/measure/clock.ts';
import { copiedVectors } from '../../bench/measure/copy.ts';
import { loadWarning } from '../../bench/measure/load.ts';
import { repeat, repeatInTurn } from '../../bench/measure/repeat.ts';
import { inRows, roofOf, together } from '../../bench/measure/roof.ts';
import { geometricMean, summariseRepeats } from '../../bench/measure/statistics.ts';
import { workerNanosecondsBetween } from '../../bench/worker-time.ts';

const suite = createSuite('statistics of measurements');

suite('median, quartile spread, least and count', () => {
  assert.equal(summariseRepeats([4, 1, 3, 2, 10]), {
    median: 3,
    spread: 2 / 3,
    least: 1,
    count: 5,
  });
  assert.equal(summariseRepeats([7]), { median: 7, spread: 0, least: 7, count: 1 });
  assert.equal(summariseRepeats([0, 0, 0]).spread, 0);
  assert.throws(() => summariseRepeats([]));
});

suite('the geometric mean of 1, 10 and 100 is 10', () => {
  assert.ok(Math.abs(geometricMean([1, 10, 100]) - 10) < 1e-12);
  assert.throws(() => geometricMean([]), /nothing/);
});

suite('the roof is the longest of arithmetic, accesses and copy', () => {
  const accesses = {
    loads: { quads: 4, singles: 2 },
    stores: { quads: 5, singles: 1 },
  };
  const peak = { gigaflops: 50, gigabytes: 10, accesses };
  assert.equal(roofOf({ flops: 1e9, bytes: 1e8 }, peak), { milliseconds: 20, limit: 'arithmetic' });
  assert.equal(roofOf({ flops: 1e8, bytes: 1e8 }, peak), { milliseconds: 10, limit: 'memory' });
  assert.equal(roofOf({ bytes: 1e7 }, peak), { milliseconds: 1, limit: 'memory' });
  const loads = together(inRows(8e6, 64), inRows(4e6, 63));
  assert.equal(loads, { quads: 8e6, singles: 4e6 });
  const work = { flops: 1e8, bytes: 1e7, accesses: { loads, stores: inRows(3e6, 63) } };
  assert.equal(roofOf(work, peak), { milliseconds: 7, limit: 'access' });
  const quads = { loads: inRows(4e6, 4), stores: inRows(5e6, 8) };
  assert.equal(roofOf({ ...work, accesses: quads }, peak), { milliseconds: 2, limit: 'access' });
});

suite('a copy moves at least the bytes asked for, in whole workgroups, up to 64 MiB', () => {
  assert.is(copiedVectors(32 * 64 * 4, 4), 64 * 4);
  assert.is(copiedVectors(32 * 64 * 4 + 1, 4), 2 * 64 * 4);
  assert.is(copiedVectors(1, 1), 64);
  assert.is(copiedVectors(7 * 2 ** 26, 4), 2 ** 22);
});

suite('only a load that matters is warned of', () => {
  assert.is(loadWarning(0.1, 'now'), undefined);
  assert.match(loadWarning(1.234, 'now') ?? '', /1\.23 cores now/);
});

suite('threads that ended take no time off, new ones count whole', () => {
  const before = new Map([
    ['1', 100],
    ['2', 5000],
  ]);
  const after = new Map([
    ['1', 130],
    ['3', 7],
  ]);
  assert.is(workerNanosecondsBetween(before, after), 37);
});

suite('work that the clock does not see is not repeated for ever', async () => {
  let units = 0;
  let recorded = 0;
  const device = {
    flush: async () => {
      units += recorded;
      recorded = 0;
      await new Promise((resolve) => setTimeout(resolve, 60));
    },
    finish: async () => {},
  };
  const clock = new Clock('gpu');
  const blind = {
    kind: clock.kind,
    cores: 1,
    description: '',
    name: '',
    measure: async (work: () => Promise<void>) => ({
      ...(await clock.measure(work)),
      milliseconds: 0,
    }),
  };
  const timing = await repeat(device, blind, () => recorded++, { repeats: 3 });
  assert.ok(timing.perSample <= 5, String(timing.perSample));
  assert.is(units, 2 + 3 * timing.perSample);
});

suite('units of work are timed in turn, each as often as its own length asks for', async () => {
  let recorded = '';
  const submitted: string[] = [];
  const device = {
    flush: async () => {
      submitted.push(recorded);
      recorded = '';
    },
    finish: async () => {},
  };
  const clock = {
    measure: async (work: () => Promise<void>) => {
      await work();
      const last = submitted[submitted.length - 1];
      const milliseconds = last.replaceAll('b', '').length * 10 + last.replaceAll('a', '').length;
      return { milliseconds, wall: milliseconds };
    },
  };
  const [a, b] = await repeatInTurn(
    device,
    clock,
    [() => (recorded += 'a'), () => (recorded += 'b')],
    { sample: 20, repeats: 3 },
  );
  const [as, bs] = ['aa', 'b'.repeat(20)];
  assert.equal(submitted, ['a', 'a', 'b', 'b', as, bs, as, bs, as, bs]);
  assert.is(a.time.median, 10);
  assert.is(b.time.median, 1);
});

suite.run();
