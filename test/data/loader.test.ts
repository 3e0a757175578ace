import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Batch, PairLoader } from '../../src/data/loader.ts';
import { cachePairs, type PairSource, selectPairs } from '../../src/data/pairs.ts';
import { DataError, UsageError } from '../../src/errors.ts';

const suite = createSuite('loader');

/** Pairs whose low image says which pixel it is; high = low + 1/2 as a marker of pairing. */
function source(count: number, width = 8, height = 6): PairSource & { loads: number[] } {
  const loads: number[] = [];
  return {
    loads,
    pairs: Array.from({ length: count }, (_, i) => ({ organ: `organ${i % 2}`, name: `n${i}` })),
    async load(index) {
      loads.push(index);
      const low = Float32Array.from(
        { length: width * height },
        (_, i) => (index * width * height + i) / 1024,
      );
      return {
        low: { width, height, data: low },
        high: { width, height, data: low.map((value) => value + 0.5) },
      };
    },
  };
}

async function collect(batches: AsyncIterable<Batch>): Promise<Batch[]> {
  const all: Batch[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

const TRAINING = {
  batch: 3,
  size: 4,
  crops: 'random',
  shuffle: true,
  seed: 5,
  flip: true,
} as const;

suite('keeps the last smaller batch and scales to [-1, 1]', async () => {
  const loader = new PairLoader(source(7), { batch: 3, size: 4 });
  const batches = await collect(loader.epoch(0));
  assert.equal(
    batches.map((batch) => batch.shape),
    [
      [3, 1, 4, 4],
      [3, 1, 4, 4],
      [1, 1, 4, 4],
    ],
  );
  assert.is(loader.batchesPerEpoch, 3);
  assert.equal(
    batches.flatMap((batch) => batch.names),
    ['n0', 'n1', 'n2', 'n3', 'n4', 'n5', 'n6'],
  );
  assert.equal(batches[0]?.organs, ['organ0', 'organ1', 'organ0']);
  // Centre crop of 8x6 to 4: corner (2, 1), pixel 10, low = 10 / 1024.
  assert.is(batches[0]?.low[0], Math.fround((2 * 10) / 1024 - 1));
});

suite('low and high share crop and flip', async () => {
  const loader = new PairLoader(source(9), TRAINING);
  for (const batch of await collect(loader.epoch(2))) {
    for (let i = 0; i < batch.low.length; i++) {
      assert.is((batch.high[i] as number) - (batch.low[i] as number), 1);
    }
  }
});

suite('a resumed run sees identical batches', async () => {
  const whole = await collect(new PairLoader(source(10), TRAINING).epoch(3));
  for (let first = 0; first <= whole.length; first++) {
    const resumed = await collect(new PairLoader(source(10), TRAINING).epoch(3, first));
    assert.equal(resumed, whole.slice(first));
  }
});

suite('epochs and seeds differ; every pair comes once', async () => {
  const loader = new PairLoader(source(20), TRAINING);
  assert.equal(
    [...loader.order(0)].sort((a, b) => a - b),
    Array.from({ length: 20 }, (_, i) => i),
  );
  assert.not.equal(loader.order(0), loader.order(1));
  assert.not.equal(loader.order(0), new PairLoader(source(20), { ...TRAINING, seed: 6 }).order(0));
  const crop = async (epoch: number): Promise<number[]> => {
    const one = new PairLoader(source(1, 30, 30), { ...TRAINING, flip: false });
    return [...(await one.batch(epoch, 0)).low];
  };
  assert.not.equal(await crop(0), await crop(1));
  assert.equal(await crop(1), await crop(1));
});

suite('crops differ between pairs of one epoch', async () => {
  const loader = new PairLoader(source(6, 40, 40), { ...TRAINING, batch: 6, flip: false });
  const batch = await loader.batch(0, 0);
  const corners = batch.names.map((name, i) => {
    const value = ((batch.low[16 * i] as number) + 1) / 2;
    return Math.round(value * 1024) - 1600 * Number(name.slice(1));
  });
  assert.ok(new Set(corners).size > 1);
});

suite('looks one batch ahead and no further', async () => {
  const pairs = source(9);
  const epoch = new PairLoader(pairs, { batch: 3, size: 4 }).epoch(0);
  await epoch.next();
  assert.equal(pairs.loads, [0, 1, 2, 3, 4, 5]);
});

suite('caches within the byte budget', async () => {
  const pairBytes = 2 * 4 * 48;
  const pairs = source(4);
  const cached = cachePairs(pairs, 2 * pairBytes);
  for (let epoch = 0; epoch < 2; epoch++) for (let i = 0; i < 4; i++) await cached.load(i);
  assert.equal(pairs.loads, [0, 1, 2, 3, 2, 3]);
  assert.is(cached.bytes(), 2 * pairBytes);
});

suite('selects part of a source', async () => {
  const part = selectPairs(source(5), [4, 1]);
  assert.equal(
    part.pairs.map((pair) => pair.name),
    ['n4', 'n1'],
  );
  assert.is((await part.load(1)).low.data[0], 48 / 1024);
  assert.throws(() => selectPairs(source(2), [7]), /does not exist/);
});

suite('fit resize keeps the whole view', async () => {
  const loader = new PairLoader(source(1, 8, 8), { batch: 1, size: 4, fit: 'resize' });
  const { low } = await loader.batch(0, 0);
  // A linear ramp stays linear inside: a step of two pixels between neighbours.
  assert.ok(Math.abs((low[6] as number) - (low[5] as number) - (2 * 2) / 1024) < 1e-6);
});

suite('unaligned: high images are drawn on their own, the same again after a resume', async () => {
  const options = { ...TRAINING, pairing: 'unaligned' } as const;
  const all = await collect(new PairLoader(source(9), options).epoch(2));
  const rest = await collect(new PairLoader(source(9), options).epoch(2, 1));
  assert.equal(rest, all.slice(1));
  const aligned = await collect(new PairLoader(source(9), TRAINING).epoch(2));
  assert.equal(
    all.map(({ low, names }) => [low, names]),
    aligned.map(({ low, names }) => [low, names]),
    'low images are those of aligned pairs',
  );
  let apart = 0;
  for (const { low, high, names, highPairs = [] } of all) {
    assert.is(highPairs.length, names.length);
    highPairs.forEach(({ name }, index) => {
      const pixels = high.subarray(16 * index, 16 * index + 16);
      // Which pair a pixel is of: 48 a pair, high marked by 1/2, and [0, 1] shown as [-1, 1].
      const owner = Math.floor((((pixels[0] + 1) / 2 - 0.5) * 1024) / 48 + 1e-3);
      assert.is(name, `n${owner}`);
      const shift = Array.from(pixels, (value, i) => value - low[16 * index + i] - 1);
      if (name !== names[index] || shift.some((value) => Math.abs(value) > 1e-3)) apart++;
    });
  }
  assert.ok(apart >= 7, `${apart} of 9`);
});

suite('enlarge magnifies before a random crop, and leaves scoring alone', async () => {
  const flat = source(4, 8, 8);
  const enlarged = new PairLoader(flat, { ...TRAINING, flip: false, size: 8, enlarge: 1.25 });
  const [{ low, high, names }] = await collect(enlarged.epoch(0));
  const number = Number(names[0].slice(1));
  const column = (i: number) => (((low[i] + 1) / 2) * 1024 - number * 64) % 8;
  // Ten columns where there were eight: four fifths of a column from one to the next.
  assert.ok(Math.abs(column(4) - column(3) - 0.8) < 1e-3, `${column(3)} ${column(4)}`);
  assert.ok(
    high.every((value, i) => Math.abs(value - low[i] - 1) < 1e-5),
    'pairs stay together',
  );
  const scoring = { batch: 4, size: 8, crops: 'centre' } as const;
  assert.equal(
    await new PairLoader(flat, { ...scoring, enlarge: 1.25 }).batch(0, 0),
    await new PairLoader(flat, scoring).batch(0, 0),
  );
  assert.throws(() => new PairLoader(flat, { ...scoring, enlarge: 0.5 }), /enlarge: .*found 0\.5/);
});

suite('a failing image is reported when its batch is due', async () => {
  const good = source(4);
  const bad: PairSource = {
    pairs: good.pairs,
    load: (i) => (i === 3 ? Promise.reject(new DataError('n3: damaged')) : good.load(i)),
  };
  const epoch = new PairLoader(bad, { batch: 2, size: 4 }).epoch(0);
  assert.equal((await epoch.next()).done, false);
  await new Promise((resolve) => setTimeout(resolve, 5));
  try {
    await epoch.next();
    assert.unreachable();
  } catch (error) {
    assert.instance(error, DataError);
  }
});

suite('refuses bad options and sizes that differ within a pair', async () => {
  const usage = (error: Error): boolean => error instanceof UsageError;
  assert.throws(() => new PairLoader(source(1), { batch: 0, size: 4 }), usage);
  assert.throws(() => new PairLoader(source(1), { batch: 1, size: 2.5 }), usage);
  assert.throws(() => new PairLoader(source(1), { batch: 1, size: 4, seed: -1 }), usage);
  assert.throws(
    () => new PairLoader(source(0), { batch: 1, size: 4 }),
    (error: Error) => error instanceof DataError,
  );
  const uneven: PairSource = {
    pairs: [{ organ: 'liver', name: '7' }],
    load: async () => ({
      low: { width: 2, height: 2, data: new Float32Array(4) },
      high: { width: 3, height: 2, data: new Float32Array(6) },
    }),
  };
  try {
    await new PairLoader(uneven, { batch: 1, size: 2 }).batch(0, 0);
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, /liver\/7: expected .* 3x2, found 2x2/);
  }
});

suite.run();
