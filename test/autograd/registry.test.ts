/** The registry is complete: no op without a row, no row without tests, no table that is out of date. */
import { readdirSync, readFileSync } from 'node:fs';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { OPS_DOCUMENT, opsDocument } from '../../scripts/ops-doc.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { OPS } from '../../src/autograd/registry/index.ts';

const suite = createSuite('registry');

const SOURCE = new URL('../../src/autograd/', import.meta.url);

/** Contents of the TypeScript files of a folder, by name. */
function read(folder: URL): Map<string, string> {
  const files = readdirSync(folder).filter((file) => file.endsWith('.ts'));
  return new Map(files.map((file) => [file, readFileSync(new URL(file, folder), 'utf8')]));
}

const ops = read(new URL('ops/', SOURCE));
const rows = read(new URL('registry/', SOURCE));
const tests = read(new URL('./', import.meta.url));

/** Functions of ops/ that are parts of others and no ops themselves. */
const PARTS = ['resize', 'sliceAxis', 'pooledSize', 'conv2dGeometry', 'spectralNormalizeAll'];

suite('every differentiable function of ops/ has a row', () => {
  const registered = [...rows.values()].join('\n');
  let found = 0;
  for (const [file, text] of ops) {
    // Files whose functions end in a tape node, or in a part that does.
    if (!/\b(attach|attachAll|resize|sliceAxis)\(/.test(text)) continue;
    for (const [, name] of text.matchAll(/^export function (\w+)\(/gm)) {
      if (PARTS.includes(name) || name.startsWith('require')) continue;
      found++;
      const isImported = new RegExp(`import [^;]*\\b${name}\\b[^;]* from '../ops/${file}'`);
      assert.match(registered, isImported, `${name} of ops/${file} has no row in registry/`);
      assert.match(registered, new RegExp(`\\b${name}\\b`), name);
    }
  }
  assert.ok(found >= 30, `${found} ops found`);
});

suite('every row is run by a test', () => {
  const run = [...tests.values()].filter((text) => text.includes('testRows(')).join('\n');
  for (const [file, text] of rows) {
    if (['index.ts', 'row.ts'].includes(file)) continue;
    for (const [, name] of text.matchAll(/^export const ([A-Z0-9_]+)\b/gm)) {
      const isListed = new RegExp(`\\b${name}\\b`);
      const lists = [...rows].filter(
        ([other, content]) => other !== file && isListed.test(content),
      );
      assert.ok(lists.length > 0, `${name} is in no list`);
      // A row within another file's list is run with that one.
      if (!lists.some(([other]) => other === 'index.ts')) continue;
      const isRun = new RegExp(`testRows\\([^)]*\\b${name}\\b`);
      assert.match(run, isRun, `no test runs ${name} of registry/${file}`);
    }
  }
});

suite('every op is named once and goes through finite differences', () => {
  const names = OPS.map(({ name }) => name);
  assert.equal(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  );
  for (const row of OPS) {
    const probed = row
      .cases(new RandomStream(1, row.name))
      .filter(({ skipGradcheck, inputs }) => !skipGradcheck && inputs.length > 0);
    assert.ok(probed.length > 0, `no sample of ${row.name} is probed`);
  }
});

suite('docs/ops.md is what npm run docs:ops makes', () => {
  assert.fixture(readFileSync(OPS_DOCUMENT, 'utf8'), opsDocument());
});

suite.run();
