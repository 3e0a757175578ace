import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite as uvuSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../src/errors.ts';
import {
  isTemporaryName,
  removeFolderAtomic,
  writeError,
  writeFileAtomic,
  writeFolderAtomic,
} from '../src/files.ts';

const suite = uvuSuite<{ folder: string }>('files');

suite.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'sonolift-files-'));
});
suite.after.each(({ folder }) => {
  rmSync(folder, { recursive: true, force: true });
});

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

suite('writeFileAtomic writes and overwrites, leaving nothing else', async ({ folder }) => {
  const path = join(folder, 'a.json');
  await writeFileAtomic(path, Uint8Array.of(1, 2));
  assert.equal([...readFileSync(path)], [1, 2]);
  await writeFileAtomic(path, 'text');
  assert.is(readFileSync(path, 'utf8'), 'text');
  assert.equal(readdirSync(folder), ['a.json']);
});

suite('a failed write is a DataError with path and reason, and keeps the old', async ({
  folder,
}) => {
  const missing = join(folder, 'no', 'a.json');
  const error = await failure(writeFileAtomic(missing, 'x'));
  assert.instance(error, DataError);
  assert.match(String(error), missing);
  assert.match(String(error), 'the folder does not exist (ENOENT)');
  const path = join(folder, 'b');
  mkdirSync(path);
  assert.instance(await failure(writeFileAtomic(path, 'x')), DataError);
  assert.equal(readdirSync(folder), ['b']);
});

suite('writeFolderAtomic makes parents, replaces a folder whole', async ({ folder }) => {
  const path = join(folder, 'deep', 'x');
  await writeFolderAtomic(path, [['one', Uint8Array.of(1)]]);
  await writeFolderAtomic(path, [['two', Uint8Array.of(2)]]);
  assert.equal(readdirSync(path), ['two']);
  assert.equal(readdirSync(join(folder, 'deep')), ['x']);
});

suite('an error while the files are made leaves the old folder and no other', async ({
  folder,
}) => {
  const path = join(folder, 'x');
  await writeFolderAtomic(path, [['one', Uint8Array.of(1)]]);
  function* broken(): Generator<[string, Uint8Array]> {
    yield ['two', Uint8Array.of(2)];
    throw new RangeError('made up');
  }
  assert.instance(await failure(writeFolderAtomic(path, broken())), RangeError);
  assert.equal(readdirSync(folder), ['x']);
  assert.equal(readdirSync(path), ['one']);
});

suite('temporary names are known again, others are not', () => {
  assert.ok(isTemporaryName('.step-000001.tmp-0123456789ab'));
  for (const name of ['step-000001', '.git', '.a.tmp-xyz', 'a.tmp-0123456789ab']) {
    assert.not.ok(isTemporaryName(name), name);
  }
});

suite('removeFolderAtomic removes a folder with its content', async ({ folder }) => {
  mkdirSync(join(folder, 'x'));
  writeFileSync(join(folder, 'x', 'y'), 'z');
  await removeFolderAtomic(join(folder, 'x'));
  assert.equal(readdirSync(folder), []);
});

suite('no space, quota and size limit are called disk full; foreign errors pass', () => {
  for (const code of ['ENOSPC', 'EDQUOT', 'EFBIG']) {
    const error = writeError('runs/a', Object.assign(new Error('x'), { code }));
    assert.instance(error, DataError);
    assert.match(String(error), `runs/a: disk full (${code})`);
  }
  const foreign = new TypeError('x');
  assert.is(writeError('runs/a', foreign), foreign);
});

suite('a disk that runs full is a DataError and leaves nothing behind', ({ folder }) => {
  if (process.platform === 'win32') {
    console.log('skipped: no file-size limit (ulimit) on Windows');
    return;
  }
  const child = fileURLToPath(new URL('run/children/write-large.ts', import.meta.url));
  // The kernel refuses bytes beyond the process's file-size limit just as a full disk does.
  const run = spawnSync(
    'sh',
    ['-c', 'ulimit -f 4000 && exec "$@"', 'sh', process.execPath, '--import', 'tsx', child, folder],
    { encoding: 'utf8' },
  );
  assert.is(run.status, 0, run.stderr);
  const lines = run.stdout.trim().split('\n');
  assert.is(lines.length, 2, run.stdout);
  for (const [index, name] of ['large.bin', 'large'].entries()) {
    assert.match(
      lines[index] ?? '',
      `${join(folder, name)}: disk full (EFBIG), nothing was written`,
    );
  }
  assert.equal(readdirSync(folder), []);
});

suite.run();
