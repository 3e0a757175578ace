/** What the programs do with a run whose data folder has changed since it was trained. */
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { findPairs, type PairFiles } from '../../src/data/layout.node.ts';
import { splitPairs } from '../../src/data/split.ts';
import { recordedName } from '../../src/run/recorded-split.ts';
import { assertOk, assertRefused, runProgram, snapshot } from '../support/program.ts';
import { makeSmallData, SMALL_TRAINING } from '../support/small-run.ts';

interface Context {
  folder: string;
  data: string;
  /** A copy of the data to change, anew in every test. */
  changed: string;
  run: string;
  /** Pairs of the data by set, as the run split them. */
  sets: Record<'train' | 'val' | 'test', PairFiles[]>;
}

const suite = createSuite<Context>('data that changed after training');

suite.before(async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'sonolift-changed-data-'));
  const [data, changed, run] = ['data', 'changed', 'run'].map((name) => join(folder, name));
  await makeSmallData(data);
  const pairs = findPairs(data);
  const split = splitPairs(pairs, 0);
  const pick = (indices: readonly number[]) => indices.map((index) => pairs[index]);
  const sets = { train: pick(split.train), val: pick(split.val), test: pick(split.test) };
  Object.assign(context, { folder, data, changed, run, sets });
  const options = ['--data', data, '--out', run, ...SMALL_TRAINING, '--steps', 2];
  assertOk(await runProgram('train', options));
});
suite.before.each(({ data, changed }) => {
  rmSync(changed, { recursive: true, force: true });
  cpSync(data, changed, { recursive: true });
});
suite.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

/** Paths of a pair of the data in the copy, for a pair of that name. */
function placesOf({ data, changed }: Context, pair: PairFiles, name = pair.name): string[] {
  return [pair.low, pair.high].map((path) =>
    path.replace(data, changed).replace(`${pair.name}.png`, `${name}.png`),
  );
}

function addCopies(context: Context, count: number): void {
  const [pair] = context.sets.train;
  for (let index = 0; index < count; index++) {
    const [low, high] = placesOf(context, pair, `9${String(index).padStart(3, '0')}`);
    cpSync(pair.low, low);
    cpSync(pair.high, high);
  }
}

suite('src/eval scores the test pairs of the run, and tells of others', async (context) => {
  const { folder, changed, run, sets } = context;
  addCopies(context, 10);
  const out = join(folder, 'eval');
  const ended = await runProgram('eval', ['--checkpoint', run, '--data', changed, '--out', out]);
  assertOk(ended);
  assert.match(ended.stdout, /warning: .*changed: 10 of 20 pairs are in no set of the run's split/);
  const { pairs } = JSON.parse(readFileSync(join(out, 'scores.json'), 'utf8')) as {
    pairs: PairFiles[];
  };
  assert.equal(pairs.map(recordedName), sets.test.map(recordedName));
});

suite('--resume refuses other training pairs, be they as many', async (context) => {
  const { folder, changed, run, sets } = context;
  const resume = () =>
    runProgram('train', [
      ...['--data', changed, '--out', run, '--resume', ...SMALL_TRAINING, '--steps', 3],
    ]);
  const pair = sets.train.at(-1);
  assert.ok(pair);
  const [from, to] = [placesOf(context, pair), placesOf(context, pair, `${pair.name}x`)];
  for (const [index, path] of from.entries()) renameSync(path, to[index] ?? '');
  const before = snapshot(folder);
  assertRefused(
    await resume(),
    4,
    new RegExp(
      `^CheckpointError: .*state\\.json: field extra\\.split\\.train: expected ${recordedName(pair)}, found ${recordedName(pair)}x; resume with`,
    ),
  );
  assert.equal(snapshot(folder), before);
  addCopies(context, 10);
  assertRefused(await resume(), 4, /^CheckpointError: .*was trained with pairs 7, found 14/);
});

suite.run();
