/** A folder that got more or fewer pairs since the training never brings what was trained on into the test set. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import type { PairName } from '../../src/data/pairs.ts';
import { type Split, type SplitName, splitPairs } from '../../src/data/split.ts';
import { CheckpointError, DataError } from '../../src/errors.ts';
import { choosePairs } from '../../src/eval/choose-pairs.ts';
import { recordedName, recordSplit } from '../../src/run/recorded-split.ts';

const suite = createSuite('pairs to score');
const SEED = 3;

function dataset(count: number): PairName[] {
  return Array.from({ length: count }, (_, i) => ({ organ: 'liver', name: `${100 + i}` }));
}

function named(pairs: readonly PairName[], split: Split, set: SplitName): PairName[] {
  return split[set].map((index) => pairs[index]);
}

const PAIRS = dataset(20);
const SPLIT = splitPairs(PAIRS, SEED);
const [TRAIN, VAL, TEST] = (['train', 'val', 'test'] as const).map((set) =>
  named(PAIRS, SPLIT, set),
);
const OLD = { folder: 'RUN', extra: { splitSeed: SEED, pairs: TRAIN.length } };
const RECORDED = {
  ...OLD,
  extra: { ...OLD.extra, split: recordSplit({ train: TRAIN, val: VAL, test: TEST }) },
};

function choose(
  pairs: readonly PairName[],
  model: Parameters<typeof choosePairs>[2],
  split: SplitName | 'all' = 'test',
  splitSeed?: number,
) {
  const { indices, notices } = choosePairs(pairs, { data: 'DATA', split, splitSeed }, model);
  return { names: indices.map((index) => recordedName(pairs[index])), notices };
}

function refuses(
  type: typeof DataError | typeof CheckpointError,
  message: RegExp,
  run: () => void,
) {
  assert.throws(run, (error: Error) => {
    assert.instance(error, type);
    assert.match(error.message, message);
    return true;
  });
}

suite('a folder as it was has the same sets, recorded or not', () => {
  for (const [set, expected] of [
    ['train', TRAIN],
    ['val', VAL],
    ['test', TEST],
    ['all', PAIRS],
  ] as const) {
    for (const seed of [undefined, SEED]) {
      const { names, notices } = choose(PAIRS, RECORDED, set, seed);
      assert.equal(names, expected.map(recordedName));
      assert.equal(notices, []);
    }
    assert.equal(choose(PAIRS, OLD, set).names, expected.map(recordedName));
  }
  assert.match(choose(PAIRS, OLD).notices.join('\n'), /^warning: RUN\/state\.json has no field/);
});

suite('more pairs: the recorded test set stays, and the others are told of', () => {
  const more = dataset(30);
  const trained = new Set(TRAIN.map(recordedName));
  const remade = named(more, splitPairs(more, SEED), 'test').map(recordedName);
  assert.ok(
    remade.some((name) => trained.has(name)),
    'the split made anew shows the hole',
  );
  const { names, notices } = choose(more, RECORDED);
  assert.equal(names, TEST.map(recordedName));
  assert.is(notices.length, 1);
  assert.match(notices[0], /DATA: 10 of 30 pairs are in no set .*: liver\/120 and 9 more$/);
});

suite('fewer pairs: what is left of the recorded test set, with a warning, or none', () => {
  const [gone, ...left] = TEST;
  const fewer = PAIRS.filter((pair) => pair !== gone);
  const { names, notices } = choose(fewer, RECORDED);
  assert.equal(names, left.map(recordedName));
  assert.is(notices.length, 1);
  assert.match(
    notices[0],
    `expected the 4 pairs of RUN/state.json, field extra.split.test, found 3: without ${recordedName(gone)}`,
  );
  refuses(DataError, /DATA: split "test" is empty, expected the 4 pairs .* found 14 others/, () =>
    choose(TRAIN, RECORDED),
  );
});

suite('a run that recorded no names: another number of pairs is refused', () => {
  const message =
    /DATA: expected 14 training pairs as in RUN\/state\.json, field extra\.pairs, found 21/;
  for (const set of ['test', 'val'] as const) {
    refuses(DataError, message, () => choose(dataset(30), OLD, set));
    refuses(DataError, message, () => choose(dataset(30), OLD, set, SEED + 1));
  }
  assert.is(choose(dataset(30), OLD, 'all').names.length, 30);
});

suite('another --split-seed is refused where it would hold out what was trained on', () => {
  for (const model of [RECORDED, OLD]) {
    refuses(DataError, /--split test of --split-seed 4: .*found \d of 4 that it trained on/, () =>
      choose(PAIRS, model, 'test', SEED + 1),
    );
  }
  const others = dataset(20).map(({ name }) => ({ organ: 'heart', name }));
  assert.is(choose(others, RECORDED, 'test', SEED + 1).names.length, 4);
});

suite('a run that was told of its training pairs alone', () => {
  const extra = { ...OLD.extra, split: recordSplit({ train: TRAIN }) };
  assert.equal(choose(PAIRS, { ...OLD, extra }).names, TEST.map(recordedName));
  refuses(DataError, /found \d of 6 that it trained on .*field extra\.split\)/, () =>
    choose(dataset(30), { ...OLD, extra }),
  );
});

suite('a record that is none', () => {
  for (const split of [null, 'x', { test: 'x' }, { test: [1] }]) {
    refuses(CheckpointError, /RUN\/state\.json: field extra\.split: expected lists of names/, () =>
      choose(PAIRS, { ...OLD, extra: { ...OLD.extra, split } }),
    );
  }
});

suite.run();
