import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodePng } from '../../src/data/image.ts';
import { findPairs, folderSource, listImages } from '../../src/data/layout.node.ts';
import { DataError } from '../../src/errors.ts';

const suite = createSuite('layout');
let folder = '';
suite.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'sonolift-layout-'));
});
suite.after.each(() => rmSync(folder, { recursive: true }));

function put(path: string, width = 3, height = 2, value = 0.2): void {
  const full = join(folder, path);
  mkdirSync(join(full, '..'), { recursive: true });
  const data = new Float32Array(width * height).fill(value);
  writeFileSync(full, encodePng({ width, height, data }));
}

function putPair(organ: string, name: string): void {
  put(`train_datasets/${organ}/low_quality/${name}`, 3, 2, 0.2);
  put(`train_datasets/${organ}/high_quality/${name}`, 3, 2, 0.8);
}

function fails(directory: string, pattern: RegExp): void {
  assert.throws(
    () => findPairs(directory),
    (error: Error) => {
      assert.instance(error, DataError);
      assert.match(error.message, pattern);
      return true;
    },
  );
}

suite('finds pairs from the parent and from train_datasets, sorted', async () => {
  putPair('thyroid', '0010.png');
  putPair('thyroid', '0002.png');
  putPair('breast', '0500.png');
  writeFileSync(join(folder, 'README.md'), 'x');
  writeFileSync(join(folder, 'train_datasets', '.DS_Store'), 'x');
  const pairs = findPairs(folder);
  assert.equal(
    pairs.map((pair) => `${pair.organ}/${pair.name}`),
    ['breast/0500', 'thyroid/0002', 'thyroid/0010'],
  );
  assert.equal(findPairs(join(folder, 'train_datasets')), pairs);
  const { low, high } = await folderSource(pairs).load(1);
  assert.ok((low.data[0] as number) < (high.data[0] as number));
});

suite('takes a single pair of folders as organ "all"', () => {
  put('low_quality/a.png');
  put('high_quality/a.png');
  const pairs = findPairs(folder);
  assert.is(pairs.length, 1);
  assert.is(pairs[0]?.organ, 'all');
});

suite('names what is missing', () => {
  fails(join(folder, 'absent'), /absent: expected a folder: no such file/);
  fails(folder, /expected train_datasets.*found no folders/);
  putPair('liver', '1.png');
  rmSync(join(folder, 'train_datasets/liver/high_quality'), { recursive: true });
  fails(folder, /liver\/high_quality: folder missing, found low_quality/);
  mkdirSync(join(folder, 'train_datasets/liver/high_quality'));
  fails(folder, /liver\/high_quality: expected PNG or JPEG images, found none/);
});

suite('names an unpaired file on either side', () => {
  putPair('liver', '1.png');
  put('train_datasets/liver/low_quality/2.png');
  fails(folder, /low_quality\/2\.png: unpaired, expected .*high_quality\/2\.png/);
  rmSync(join(folder, 'train_datasets/liver/low_quality/2.png'));
  put('train_datasets/liver/high_quality/3.png');
  fails(folder, /high_quality\/3\.png: unpaired, expected .*low_quality\/3\.png/);
});

suite('names a size mismatch, expected and found', () => {
  putPair('liver', '1.png');
  put('train_datasets/liver/low_quality/1.png', 4, 2);
  fails(folder, /low_quality\/1\.png: expected 3x2 as in .*found 4x2/);
});

suite('refuses a text file, an unsupported format and a double name', () => {
  putPair('liver', '1.png');
  const low = join(folder, 'train_datasets/liver/low_quality');
  writeFileSync(join(low, '1.png'), 'not an image at all');
  fails(folder, /low_quality\/1\.png: expected a PNG or JPEG/);
  put('train_datasets/liver/low_quality/1.png');
  writeFileSync(join(low, '2.TIF'), 'x');
  fails(folder, /2\.TIF: expected PNG or JPEG, found TIF/);
  rmSync(join(low, '2.TIF'));
  put('train_datasets/liver/low_quality/1.jpg');
  fails(folder, /1\.png: expected one image called 1, found also .*1\.jpg/);
});

suite('lists the images of a flat folder', () => {
  put('b.png');
  put('a.png');
  writeFileSync(join(folder, 'notes.txt'), 'x');
  assert.equal(listImages(folder), [join(folder, 'a.png'), join(folder, 'b.png')]);
});

suite.run();
