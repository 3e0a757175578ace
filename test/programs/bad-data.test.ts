/** What the programs say to data that is missing, damaged or odd; and that they leave nothing behind. */
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { PNG } from 'pngjs';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { readImage } from '../../src/data/image.node.ts';
import { encodePng } from '../../src/data/image.ts';
import { findPairs } from '../../src/data/layout.node.ts';
import { splitPairs } from '../../src/data/split.ts';
import { assertOk, assertRefused, type Ended, runProgram, snapshot } from '../support/program.ts';
import { makeSmallData, SMALL_TRAINING } from '../support/small-run.ts';

interface Context {
  folder: string;
  /** Good data, and a model trained on it. */
  data: string;
  model: string;
  /** A copy of the data to spoil, anew in every test. */
  spoilt: string;
  out: string;
}

const suite = createSuite<Context>('data the programs cannot use');

suite.before(async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'sonolift-bad-data-'));
  const at = (name: string) => join(folder, name);
  Object.assign(context, { folder, data: at('data'), model: at('model') });
  Object.assign(context, { spoilt: at('spoilt'), out: at('out') });
  await makeSmallData(context.data);
  assertOk(await train(context.data, context.model, '--steps', 1));
});
suite.before.each(({ data, spoilt, out }) => {
  rmSync(spoilt, { recursive: true, force: true });
  rmSync(out, { recursive: true, force: true });
  cpSync(data, spoilt, { recursive: true });
});
suite.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

function train(data: string, out: string, ...more: (string | number)[]): Promise<Ended> {
  return runProgram('train', ['--data', data, '--out', out, ...SMALL_TRAINING, ...more]);
}

function evaluate(model: string, data: string, ...more: (string | number)[]): Promise<Ended> {
  return runProgram('eval', ['--checkpoint', model, '--data', data, ...more]);
}

function enhance(model: string, out: string, ...inputs: string[]): Promise<Ended> {
  return runProgram('enhance', ['--checkpoint', model, '--out', out, ...inputs]);
}

/** The low-quality image of the first pair in a set of the split that the programs make by default. */
function imageOf(data: string, set: 'train' | 'val' | 'test'): string {
  const pairs = findPairs(data);
  const [first = -1] = splitPairs(pairs, 0)[set];
  const pair = pairs[first];
  assert.ok(pair);
  return pair.low;
}

const names = (folder: string) => readdirSync(folder).sort();

suite('a folder that is missing, empty, or has no partner folder', async (context) => {
  const { folder, spoilt, out, model } = context;
  const before = names(folder);
  const missing = join(folder, 'missing');
  assertRefused(await train(missing, out), 3, /^DataError: .*missing: .*no such file or folder/);
  assertRefused(await evaluate(model, missing), 3, /^DataError: .*missing: .*no such file/);
  assertRefused(await enhance(model, out, missing), 3, /^DataError: .*missing: no such file/);
  const [organ = ''] = readdirSync(join(spoilt, 'train_datasets'));
  rmSync(join(spoilt, 'train_datasets', organ, 'high_quality'), { recursive: true });
  assertRefused(await train(spoilt, out), 3, /^DataError: .*high_quality: folder missing/);
  rmSync(join(spoilt, 'train_datasets'), { recursive: true });
  assertRefused(await train(spoilt, out), 3, /^DataError: .*spoilt: expected .*found no folders/);
  assert.equal(names(folder), before);
});

suite('an image without its partner, and a pair of two sizes', async (context) => {
  const { folder, spoilt, out, model } = context;
  const before = names(folder);
  const low = imageOf(spoilt, 'train');
  renameSync(low, `${low}.away`);
  assertRefused(
    await train(spoilt, out),
    3,
    /^DataError: .*high_quality.*unpaired, expected .*low/,
  );
  const { data } = readImage(`${low}.away`);
  writeFileSync(low, encodePng({ width: 16, height: 64, data }));
  assertRefused(await train(spoilt, out), 3, /^DataError: .*low.*expected 32x32 .*found 16x64/);
  assertRefused(await evaluate(model, spoilt), 3, /^DataError: .*expected 32x32 .*found 16x64/);
  assert.equal(names(folder), before);
});

suite('a text file called .png, a cut and a damaged image', async (context) => {
  const { folder, spoilt, out, model } = context;
  const before = names(folder);
  const train1 = imageOf(spoilt, 'train');
  const good = readFileSync(train1);
  writeFileSync(train1, 'not an image');
  assertRefused(await train(spoilt, out), 3, /^DataError: .*\.png: .*PNG or JPEG/);
  assertRefused(await enhance(model, out, train1), 3, /^DataError: .*\.png: .*PNG or JPEG/);
  writeFileSync(train1, good);
  // These two are found only by decoding: their headers are good.
  for (const set of ['train', 'val', 'test'] as const) {
    const path = imageOf(spoilt, set);
    const whole = readFileSync(path);
    const cut = whole.subarray(0, whole.length - 20);
    const damaged = Buffer.from(whole);
    damaged.fill(0x55, 60, 100);
    const spoil = set === 'val' ? cut : damaged;
    writeFileSync(path, spoil);
    const named = new RegExp(`^DataError: ${path}: `);
    if (set === 'test') {
      assertRefused(await evaluate(model, spoilt, '--out', out), 3, named);
      // The good image before it must not be written either.
      assertRefused(await enhance(model, out, imageOf(spoilt, 'train'), path), 3, named);
    } else {
      assertRefused(await train(spoilt, out), 3, named);
    }
    writeFileSync(path, whole);
  }
  assert.equal(names(folder), before);
});

suite('formats that cannot be read do not vanish silently', async ({ spoilt, out }) => {
  const low = imageOf(spoilt, 'train');
  renameSync(low, low.replace(/png$/, 'tiff'));
  assertRefused(
    await train(spoilt, out),
    3,
    /^DataError: .*\.tiff: expected PNG or JPEG, found tiff/,
  );
});

suite('a split that is empty', async ({ folder, model }) => {
  const pair = join(folder, 'pair');
  await makeSmallData(pair, 2);
  const ended = await evaluate(model, pair, '--split', 'val');
  assertRefused(ended, 3, /^DataError: .*pair: split "val" is empty, .*found 2/);
});

suite('colour and small images are used, and said to be', async ({ spoilt, out, model }) => {
  const low = imageOf(spoilt, 'train');
  const { data } = readImage(low);
  const colour = new PNG({ width: 32, height: 32 });
  for (const [index, grey] of data.entries()) {
    colour.data.set([255 * grey, 200 * grey, 150 * grey, 255], 4 * index);
  }
  writeFileSync(low, PNG.sync.write(colour));
  const trained = await train(spoilt, out, '--size', 64, '--steps', 1);
  assertOk(trained);
  assert.match(trained.stdout, /low_quality: colour images are converted to grey \(first: /);
  assert.match(
    trained.stdout,
    /8 of 8 pairs are smaller than 64x64 and are continued by reflection/,
  );
  const enhanced = join(out, 'enhanced');
  const ended = await enhance(model, enhanced, low);
  assertOk(ended);
  assert.match(ended.stdout, 'colour images are converted to grey');
  const [name = ''] = readdirSync(enhanced);
  const { width, height } = readImage(join(enhanced, name));
  assert.equal([width, height], [32, 32]);
});

suite('an output that cannot be written', async ({ folder, data, model, out }) => {
  const file = join(folder, 'file');
  writeFileSync(file, 'kept');
  const below = join(file, 'out');
  const before = snapshot(folder);
  const refused = /^DataError: .*file\/out: /;
  assertRefused(await train(data, below), 3, refused);
  assertRefused(await evaluate(model, data, '--out', below), 3, refused);
  assertRefused(await enhance(model, below, imageOf(data, 'test')), 3, refused);
  assertRefused(await runProgram('simulate', ['--out', below]), 3, refused);
  assertRefused(await runProgram('first', ['--out', below]), 3, refused);
  assert.equal(snapshot(folder), before);
  // Nor is a folder with other things in it replaced by scores.
  mkdirSync(out);
  appendFileSync(join(out, 'notes.txt'), 'kept');
  const ended = await evaluate(model, data, '--out', out);
  assertRefused(ended, 2, /^UsageError: --out .*expected .*found notes\.txt/);
  assert.equal(names(out), ['notes.txt']);
  // An earlier evaluation is, unless someone has put a file of their own beside the scores.
  rmSync(out, { recursive: true });
  assertOk(await evaluate(model, data, '--out', out));
  assertOk(await evaluate(model, data, '--out', out));
  appendFileSync(join(out, 'notes.txt'), 'kept');
  const again = await evaluate(model, data, '--out', out);
  assertRefused(again, 2, /^UsageError: --out .*expected .*found notes\.txt/);
  assert.equal(names(out), ['images', 'notes.txt', 'report.html', 'scores.csv', 'scores.json']);
});

suite('a disk that runs full', async ({ folder, data, model, out }) => {
  const full = /^DataError: .*: disk full \(ENOSPC\), nothing was written/;
  const small = imageOf(data, 'test');
  const scans = join(folder, 'scans');
  assertOk(await runProgram('simulate', ['--out', scans, '--count', 1, '--size', 128]));
  const large = imageOf(scans, 'train');
  const before = names(folder);
  const withRoom = (room: number) => ({ disk: { folder, room } });
  const making = ['--out', out, '--count', 4, '--size', 64];
  assertRefused(await runProgram('simulate', making, withRoom(9000)), 3, full);
  const scoring = ['--checkpoint', model, '--data', data, '--out', out];
  assertRefused(await runProgram('eval', scoring, withRoom(9000)), 3, full);
  assert.equal(names(folder), before);
  const enhancing = ['--checkpoint', model, '--out', out, small, large];
  // The first picture fits; of the second nothing stays.
  assertRefused(await runProgram('enhance', enhancing, withRoom(3000)), 3, full);
  assert.equal(names(out), [basename(small)]);
  rmSync(out, { recursive: true });
  // First nothing fits, then the initialisation does, then some steps' log: whatever was written is whole.
  const training = ['--data', data, '--out', out, ...SMALL_TRAINING, '--steps', 9];
  assertRefused(await runProgram('train', training, withRoom(100)), 3, full);
  assertRefused(await runProgram('train', training, withRoom(10_000)), 3, full);
  assert.equal(names(join(out, 'checkpoints')), []);
  const checkpoint = snapshotBytes(join(model, 'checkpoints', 'step-000001'));
  assertRefused(await runProgram('train', training, withRoom(checkpoint + 5000)), 3, full);
  assert.equal(names(join(out, 'checkpoints')), ['step-000000']);
  for (const log of ['log.jsonl', 'validation.jsonl']) {
    assert.match(readFileSync(join(out, log), 'utf8'), /^$|\}\n$/);
  }
  // With room again the run goes on.
  assertOk(await runProgram('train', [...training, '--resume']));
});

/** Bytes of all files of a folder. */
function snapshotBytes(folder: string): number {
  return names(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

suite.run();
