/** Pairs and checkpoints among the files that a visitor of the demo page drops. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { zipSync } from 'fflate';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodePng } from '../../src/data/image.ts';
import { findPairs, folderSource } from '../../src/data/layout.node.ts';
import { simulateCommand } from '../../src/data/simulate-command.node.ts';
import { DataError } from '../../src/errors.ts';
import { filePairs, type NamedFile, openData, pairFiles } from '../../web/src/train/data.ts';
import { checkpointOf, unpack, zipCheckpoint } from '../../web/src/train/zip.ts';
import { randomImage } from '../support/tiny-generator.ts';

const suite = createSuite<{ folder: string }>('dropped files');

suite.before(async (context) => {
  const root = mkdtempSync(join(tmpdir(), 'sonolift-dropped-'));
  context.folder = join(root, 'pairs');
  const options = ['--count', '7', '--size', '24', '--seed', '3'];
  const silent = (): void => undefined;
  await simulateCommand(['--out', context.folder, ...options], silent, silent);
});
suite.after(({ folder }) => rmSync(join(folder, '..'), { recursive: true, force: true }));

function filesBelow(folder: string): NamedFile[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => ({
      path: relative(join(folder, '..'), path).split(sep).join('/'),
      content: new Blob([readFileSync(path)]),
    }));
}

const png = (): Blob => new Blob([encodePng(randomImage(8, 8)) as Uint8Array<ArrayBuffer>]);

async function assertRejects(work: Promise<unknown>, message: RegExp): Promise<void> {
  try {
    await work;
  } catch (error) {
    assert.instance(error, DataError);
    assert.match((error as Error).message, message);
    return;
  }
  assert.unreachable(`expected ${message}`);
}

suite('a folder, its zip, and the same pairs simulated: all as the programs see them', async ({
  folder,
}) => {
  const programs = folderSource(findPairs(folder));
  const files = filesBelow(folder);
  const zipped: Record<string, Uint8Array> = {};
  for (const { path, content } of files) {
    zipped[path] = new Uint8Array(await content.arrayBuffer());
  }
  zipped['__MACOSX/pairs/._0001.png'] = new Uint8Array(3);
  const zip = { path: 'pairs.zip', content: new Blob([zipSync(zipped)]) };
  const sources = [
    openData({ kind: 'files', files }),
    openData({ kind: 'files', files: await unpack([zip]) }),
    openData({ kind: 'simulated', count: 7, size: 24, seed: 3 }),
  ];
  for (const source of sources) {
    assert.equal(
      source.pairs.map(({ organ, name }) => `${organ}/${name}`),
      programs.pairs.map(({ organ, name }) => `${organ}/${name}`),
    );
    for (const index of source.pairs.keys()) {
      assert.equal(await source.load(index), await programs.load(index));
    }
  }
  const saved = await pairFiles(sources[2]);
  for (const { path, content } of files) {
    if (!path.endsWith('.png')) continue;
    const bytes = saved.get(path.replace('pairs/', ''));
    assert.equal(bytes, new Uint8Array(await content.arrayBuffer()), path);
  }
});

suite('pairs without organ, and what is no pair', async () => {
  const source = filePairs([
    { path: 'low_quality/1.png', content: png() },
    { path: 'high_quality/1.jpg', content: png() },
  ]);
  assert.equal(source.pairs[0].organ, 'all');
  const open = async (files: NamedFile[]) => filePairs(files);
  await assertRejects(open([]), /found 0 files and no pair/);
  await assertRejects(open([{ path: 'scan.png', content: png() }]), /no pair among them/);
  const alone = [{ path: 'liver/low_quality/1.png', content: png() }];
  await assertRejects(open(alone), /liver\/low_quality\/1.png: unpaired/);
  await assertRejects(
    open([...alone, { ...alone[0], path: 'x/liver/low_quality/1.png' }]),
    /found two/,
  );
  const text = { path: 'pairs.zip', content: new Blob(['no zip']) };
  await assertRejects(unpack([text]), /pairs.zip: expected a zip/);
});

suite('the newest checkpoint of what is dropped', async () => {
  const files = new Map([
    ['state.json', Uint8Array.of(1)],
    ['G_H.safetensors', Uint8Array.of(2, 3)],
  ]);
  const one = zipCheckpoint(12, files);
  const found = await checkpointOf([{ path: 'step.zip', content: new Blob([one]) }]);
  assert.is(found.name, 'step-000012');
  assert.equal(found.files, files);
  const run = zipSync({
    'run/checkpoints/step-000009/state.json': Uint8Array.of(9),
    'run/checkpoints/step-000010/state.json': Uint8Array.of(10),
    'run/config.json': Uint8Array.of(0),
  });
  const newest = await checkpointOf([{ path: 'run.zip', content: new Blob([run]) }]);
  assert.equal([...newest.files], [['state.json', Uint8Array.of(10)]]);
  const loose = [...files].map(([path, bytes]) => ({ path, content: new Blob([bytes]) }));
  assert.equal((await checkpointOf(loose)).files, files);
  await assertRejects(checkpointOf([{ path: 'scan.png', content: png() }]), /no?ne/);
});

suite.run();
