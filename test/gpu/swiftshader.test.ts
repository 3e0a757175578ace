import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCacheFolder } from '../../src/gpu/cache-folder.ts';
import { filesOfTar, unpackSwiftShader } from '../../src/gpu/swiftshader.ts';

const test = suite('bundled SwiftShader');
const folder = mkdtempSync(join(tmpdir(), 'sonolift-test-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

/** One tar entry: a 512-byte header and the content in blocks of 512. */
function tarEntry(name: string, content: string): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
  const blocks = Buffer.alloc(Math.ceil(content.length / 512) * 512);
  blocks.write(content);
  return Buffer.concat([header, blocks]);
}

const long = 'x'.repeat(513);
const tar = Buffer.concat([
  tarEntry('a', 'first'),
  tarEntry('empty', ''),
  tarEntry('b', long),
  Buffer.alloc(1024),
]);

test('reads the files asked for out of a tar archive', () => {
  const files = filesOfTar(tar, ['b', 'a', 'empty']);
  assert.is(files.get('a')?.toString(), 'first');
  assert.is(files.get('b')?.toString(), long);
  assert.is(files.get('empty')?.length, 0);
});

test('a damaged or incomplete archive is an error that names the entry', () => {
  assert.throws(() => filesOfTar(tar, ['a', 'c']), 'holds no c');
  assert.throws(() => filesOfTar(tar.subarray(0, 2000), ['a', 'b']), 'b is cut short');
});

test('unpacks once, and again only when a file has gone', () => {
  const lines: string[] = [];
  const cache = join(folder, 'cache');
  const where = unpackSwiftShader(cache, (line) => lines.push(line));
  const library = join(where, 'libvk_swiftshader.so');
  assert.equal(
    [...readFileSync(library).subarray(0, 4)],
    [...Buffer.from('\x7fELF', 'latin1')],
    'not a Linux library',
  );
  const made = statSync(library).mtimeMs;
  assert.is(
    unpackSwiftShader(cache, (line) => lines.push(line)),
    where,
  );
  assert.is(statSync(library).mtimeMs, made);
  assert.is(lines.length, 1);

  rmSync(library);
  unpackSwiftShader(cache, (line) => lines.push(line));
  assert.ok(statSync(library).size > 1e6);
  assert.is(lines.length, 2);
  assert.equal(readdirSync(cache).length, 1, 'a staging folder was left behind');
});

test('a cache folder in the temporary folder must be the user’s own', () => {
  const before = process.env.TMPDIR;
  if (process.getuid === undefined) return;
  process.env.TMPDIR = folder;
  try {
    const own = join(folder, `sonolift-${process.getuid()}`);
    makeCacheFolder(own);
    assert.is(statSync(own).mode & 0o777, 0o700);
    rmSync(own, { recursive: true });
    symlinkSync(folder, own);
    assert.throws(() => makeCacheFolder(own), 'belongs to another user');
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
});

test.run();
