/** Choosing kernels by measurement: what is taken, what is remembered, what is never taken. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Kernel, Plan } from '../../kernels/kernel.ts';
import { GpuError } from '../../src/errors.ts';
import { Gpu } from '../../src/gpu/gpu.ts';
import { TuningCache } from '../../src/gpu/tuning/cache.ts';
import type { Contest } from '../../src/gpu/tuning/contest.ts';
import { differenceOf } from '../../src/gpu/tuning/contest.ts';
import { diskTuningStore } from '../../src/gpu/tuning/disk-store.node.ts';
import { parseRecords, type TuningRecord } from '../../src/gpu/tuning/records.ts';
import { tuneMode } from '../../src/gpu/tuning/tune-mode.ts';
import { Tuner, type TunerOptions } from '../../src/gpu/tuning/tuner.ts';
import { fastest } from '../../src/gpu/tuning/verdict.ts';
import { openNodeGpu } from '../../src/node.ts';

const suite = createSuite<{ folder: string }>('tuning');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());
suite.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'sonolift-tuning-'));
});
suite.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

const LENGTH = 64;

/** y[i] = 2·x[i], as WGSL says it. */
function kernel(name: string, body: string): Kernel {
  return {
    key: `test.tuning.${name}`,
    bindings: ['read', 'write'],
    workgroups: [1, 1, 1],
    code: () => `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(${LENGTH}) fn main(@builtin(local_invocation_index) i: u32) { ${body} }`,
  };
}

const planOf = (made: Kernel): Plan => ({
  temporaries: [],
  steps: [{ kernel: made, operands: [{ input: 0 }, { output: 0 }] }],
});

const BODIES = {
  usual: 'y[i] = 2.0 * x[i];',
  other: 'y[i] = x[i] + x[i];',
  wrong: 'y[i] = select(2.0 * x[i], 0.0, i == 37u);',
  lazy: 'if (i != 5u) { y[i] = 2.0 * x[i]; }',
  broken: 'y[i] = 2.0 * ;',
} as const;

type Body = keyof typeof BODIES;

function contest(shapeClass: string, bodies: readonly Body[], operations = 1e3): Contest {
  return {
    shapeClass,
    sizes: String(LENGTH),
    variants: bodies.map((name) => ({ name, plan: () => planOf(kernel(name, BODIES[name])) })),
    inputs: [{ length: LENGTH, scale: 1 }],
    output: LENGTH,
    tolerance: { absolute: 1e-6, relative: 1e-6 },
    operations,
    uses: 1,
  };
}

/** A stopwatch that runs the work and tells what it is given, in turn. */
function told(times: readonly number[]): TunerOptions['stopwatch'] {
  let taken = 0;
  return async (work) => {
    await work();
    return times[Math.min(taken++, times.length - 1)];
  };
}

suite('the default stays unless another saves a tenth', () => {
  const times = (...list: [string, number][]) => fastest(new Map(list));
  assert.is(times(['a', 10], ['b', 9.1], ['c', 12]), 'a');
  assert.is(times(['a', 10], ['b', 8.9], ['c', 12]), 'b');
  assert.is(times(['a', 10], ['b', 8], ['c', 7.9]), 'c');
  assert.is(times(['a', 10], ['b', 7], ['c', 7]), 'b');
  assert.is(times(['a', 10]), 'a');
});

suite('auto measures on GPUs, not on CPU drivers', () => {
  const profile = { subgroupSize: 0, f16: false };
  assert.is(tuneMode('auto', { kind: 'gpu', ...profile }), 'on');
  assert.is(tuneMode('auto', { kind: 'cpu', ...profile }), 'off');
  assert.is(tuneMode('force', { kind: 'cpu', ...profile }), 'force');
  assert.is(gpu.tuning.mode, 'off', 'opening a device does not tune');
});

suite('results are compared as the registry does, and NaN is a difference', () => {
  const tolerance = { absolute: 1e-3, relative: 1e-2 };
  const compare = (found: number[], expected: number[]) =>
    differenceOf(Float32Array.from(found), Float32Array.from(expected), tolerance);
  assert.is(compare([100.9, 0.0009], [100, 0]), undefined);
  assert.match(compare([101.2, 0], [100, 0]) ?? '', /result 0 is 101/);
  assert.match(compare([100, 0.0011], [100, 0]) ?? '', /result 1/);
  // The absolute bound shrinks with the values.
  assert.match(compare([1e-4, 2e-4], [1e-4, 1e-4]) ?? '', /result 1/);
  assert.match(compare([Number.NaN], [1]) ?? '', /NaN/);
  assert.match(compare([1], [Number.NaN]) ?? '', /NaN/);
});

suite('the fastest is taken by the fastest sample of each', async () => {
  const log: string[] = [];
  // Samples alternate between usual and other; one run a sample, as each takes 100 ms.
  const stopwatch = told([100, 90, 110, 60, 105, 300, 104, 70]);
  const tuner = new Tuner(gpu, { budget: 60_000, log: (line) => log.push(line), stopwatch });
  const { verdicts, left } = await tuner.run([contest('class', ['usual', 'other'])]);
  assert.equal(verdicts.get('class'), {
    variant: 'other',
    milliseconds: { usual: 100, other: 60 },
    struckOff: {},
  });
  assert.equal(left, []);
  assert.equal(log, []);
});

suite('wrong, incomplete and broken variants are struck off, however fast', async () => {
  const before = gpu.memory().liveBytes;
  const log: string[] = [];
  const tuner = new Tuner(gpu, {
    budget: 60_000,
    log: (line) => log.push(line),
    stopwatch: told([50]),
  });
  const { verdicts } = await tuner.run([
    contest('class', ['usual', 'wrong', 'lazy', 'broken', 'other']),
  ]);
  const verdict = verdicts.get('class');
  assert.is(verdict?.variant, 'usual');
  assert.equal(Object.keys(verdict?.milliseconds ?? {}), ['usual', 'other']);
  assert.equal(Object.keys(verdict?.struckOff ?? {}), ['wrong', 'lazy', 'broken']);
  assert.match(verdict?.struckOff.wrong ?? '', /result 37 is 0/);
  assert.match(verdict?.struckOff.lazy ?? '', /result 5 is NaN/);
  assert.match(verdict?.struckOff.broken ?? '', /does not compile/);
  assert.is(log.length, 3);
  assert.match(log[0], /class: wrong is struck off/);
  assert.is(gpu.memory().liveBytes, before, 'device memory is leaked');
  // The device is none the worse for it.
  const [result] = await new Tuner(gpu, { budget: 1e4, log: () => undefined })
    .run([contest('class', ['usual', 'other'])])
    .then(({ verdicts: again }) => again.values());
  assert.equal(Object.keys(result.milliseconds), ['usual', 'other']);
});

suite('a variant that the device rejects when it runs is struck off', async () => {
  const good = contest('class', ['usual', 'other']);
  const bad: Kernel = { ...kernel('rejected', BODIES.usual), workgroups: [70_000, 1, 1] };
  const rejected = { name: 'rejected', plan: () => planOf(bad) };
  const { verdicts } = await new Tuner(gpu, { budget: 1e4, log: () => undefined }).run([
    { ...good, variants: [...good.variants, rejected] },
  ]);
  assert.match(verdicts.get('class')?.struckOff.rejected ?? '', /workgroup|limit/i);
  await gpu.finish();
});

suite('one variant is compared with the default at other sizes', async () => {
  const log: string[] = [];
  const tuner = new Tuner(gpu, { budget: 60_000, log: (line) => log.push(line) });
  const other = contest('class', ['usual', 'wrong', 'other']);
  assert.is(await tuner.check(other, 'other'), '');
  assert.equal(log, []);
  assert.match((await tuner.check(other, 'wrong')) ?? '', /result 37 is 0/);
  assert.match(log.join(), /wrong is struck off/);
  const late = new Tuner(gpu, { budget: 0, log: assert.unreachable });
  assert.is(await late.check(other, 'wrong'), undefined);
});

suite('a default that fails is an error, not something to pass over', async () => {
  for (const body of ['broken', 'lazy'] as const) {
    const tuner = new Tuner(gpu, { budget: 60_000, log: () => undefined });
    const failure = await tuner.run([contest('class', [body, 'usual'])]).then(
      () => undefined,
      (error: unknown) => error,
    );
    assert.instance(failure, GpuError, body);
    gpu.recorder.reset();
  }
});

suite('a contest that takes more memory than there is is left', async () => {
  const log: string[] = [];
  const small = new Gpu(gpu.device, gpu.profile, { memoryBudget: 1024, ownsDevice: false });
  const tuner = new Tuner(small, { budget: 60_000, log: (line) => log.push(line) });
  const large = { ...contest('large', ['usual', 'other']), output: 4096 };
  const { verdicts, left } = await tuner.run([contest('small', ['usual', 'other']), large]);
  assert.equal([...verdicts.keys()], ['small']);
  assert.equal(left, ['large']);
  assert.match(log.join(), /large: .*memory/);
  assert.is(small.memory().liveBytes, 0);
  small.close();
});

suite('what does not fit into the budget is left, the most work first', async () => {
  let clock = 0;
  const tuner = new Tuner(gpu, {
    budget: 2900,
    log: () => undefined,
    now: () => clock,
    stopwatch: async (work) => {
      await work();
      clock += 200;
      return 200;
    },
  });
  const names = ['a', 'b', 'c'];
  const { verdicts, left } = await tuner.run(
    names.map((name, i) => contest(name, ['usual', 'other'], 10 ** (i + 1))),
  );
  // A contest is eight samples of 200 ms: one fits, and while the second runs the time is over.
  assert.equal([...verdicts.keys()], ['c']);
  assert.equal(left, ['b', 'a']);
  assert.ok(clock <= 3000, `stopped at ${clock}`);
});

const RECORD: TuningRecord = {
  variant: 'other',
  milliseconds: { usual: 2, other: 1 },
  struckOff: { wrong: 'its result 0 is NaN' },
  checked: ['64'],
};

function cacheIn(folder: string, adapter: string): { cache: TuningCache; log: string[] } {
  const log: string[] = [];
  return { cache: new TuningCache(diskTuningStore([folder]), adapter, (l) => log.push(l)), log };
}

suite('records survive on disk, for the same adapter and driver only', async ({ folder }) => {
  const { cache, log } = cacheIn(folder, 'card; driver 1');
  assert.is((await cache.load()).size, 0);
  await cache.add(new Map([['one', RECORD]]));
  await cacheIn(folder, 'card; driver 1').cache.add(new Map([['two', RECORD]]));
  const found = await cache.load();
  assert.equal([...found.keys()], ['one', 'two']);
  assert.equal(found.get('one'), RECORD);
  assert.is((await cacheIn(folder, 'card; driver 2').cache.load()).size, 0);
  assert.equal(log, []);
});

suite('a damaged or foreign file is reported, ignored and renewed', async ({ folder }) => {
  const { cache, log } = cacheIn(folder, 'damaged');
  const texts = [
    '{"format": 1, "adap',
    '[]',
    '{"format": 2}',
    '{"format": 1, "adapter": "another", "records": {}}',
    '{"format": 1, "adapter": "damaged", "records": {"one": {"variant": 3}}}',
  ];
  for (const file of readdirSync(folder)) rmSync(join(folder, file));
  await cache.add(new Map([['one', RECORD]]));
  const [only] = readdirSync(folder);
  for (const [index, text] of texts.entries()) {
    writeFileSync(join(folder, only), text);
    assert.is((await cache.load()).size, 0, text);
    assert.is(log.length, index + 1);
    assert.match(log[index], /ignored and will be renewed/);
  }
  await cache.add(new Map([['two', RECORD]]));
  assert.equal([...(await cache.load()).keys()], ['two']);
});

suite('many writers at once leave a whole file', async ({ folder }) => {
  const names = Array.from({ length: 12 }, (_, i) => `class ${i}`);
  await Promise.all(
    names.map((name) => cacheIn(folder, 'shared').cache.add(new Map([[name, RECORD]]))),
  );
  const { cache, log } = cacheIn(folder, 'shared');
  assert.ok((await cache.load()).size >= 1);
  assert.equal(log, []);
  assert.equal(
    readdirSync(folder).filter((name) => name.startsWith('.')),
    [],
    'no temporary file is left',
  );
});

suite('a folder that cannot be written is reported and does no harm', async ({ folder }) => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  const { cache, log } = cacheIn(join(file, 'inside'), 'x');
  await cache.add(new Map([['one', RECORD]]));
  assert.match(log.join('\n'), /not written/);
});

suite('a text of another adapter is not read', () => {
  assert.throws(
    () => parseRecords('{"format":1,"adapter":"a","records":{}}', 'b'),
    /another adapter/,
  );
});

suite.run();
