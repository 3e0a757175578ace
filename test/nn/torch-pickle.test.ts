import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { strToU8, unzipSync, zipSync } from 'fflate';
import { suite as uvuSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../../src/errors.ts';
import { isTorchFile, parseTorchStateDict } from '../../src/nn/torch-pickle.ts';

const suite = uvuSuite('torch-pickle');
const fixtures = new URL('../fixtures/torch-pickle/', import.meta.url);
const fixture = (name: string) => new Uint8Array(readFileSync(new URL(name, fixtures)));
type Expected = Record<string, { shape: number[]; data: (number | string)[] }>;
const expected: Record<'tensors' | 'module', Expected> = JSON.parse(
  readFileSync(new URL('expected.json', fixtures), 'utf8'),
);

function compare(file: string, rows: Expected) {
  const tensors = parseTorchStateDict(fixture(file), file);
  assert.equal([...tensors.keys()], Object.keys(rows), file);
  for (const [name, { shape, data }] of Object.entries(rows)) {
    const tensor = tensors.get(name);
    assert.equal(tensor?.shape, shape, `${file} ${name}`);
    const found = Array.from<number | bigint, number | string>(tensor?.data ?? [], (value) =>
      typeof value === 'bigint'
        ? String(value)
        : value === Number.POSITIVE_INFINITY
          ? 'inf'
          : value,
    );
    assert.equal(found, data, `${file} ${name}`);
  }
}

for (const format of ['zip', 'legacy']) {
  suite(`${format}: dtypes, strides, scalar, empty and shared storages equal torch`, () => {
    compare(`tensors.${format}.pth`, expected.tensors);
  });
  suite(`${format}: a module's state_dict and a checkpoint around it`, () => {
    compare(`module.${format}.pth`, expected.module);
    compare(`checkpoint.${format}.pth`, expected.module);
  });
  suite(`${format}: nn.Parameter entries`, () => {
    compare(`parameter.${format}.pth`, { weight: { shape: [2], data: [1.5, -2] } });
  });
  suite(`${format}: a global that no state_dict needs is refused by name`, () => {
    const name = `forbidden.${format}.pth`;
    assert.throws(
      () => parseTorchStateDict(fixture(name), name),
      (error: Error) =>
        error instanceof DataError &&
        error.message.startsWith(name) &&
        error.message.includes('posix.system'),
    );
  });
}

suite('dtypes of the file are kept', () => {
  const dtypes = [...parseTorchStateDict(fixture('tensors.zip.pth'), 'x').values()].map(
    ({ dtype }) => dtype,
  );
  const f32 = new Array<string>(6).fill('F32');
  const rest = ['F16', 'BF16', 'F64', 'I64', 'I32', 'I16', 'I8', 'U8', 'BOOL'];
  assert.equal(dtypes, [...f32, ...rest]);
});

suite('Parameters and OrderedDicts as torch before 0.4 and Python 2 pickled them', () => {
  compare('old-parameter.legacy.pth', { 'features.0.bias': { shape: [2], data: [4, 5] } });
});

suite('other content is refused with a reason', () => {
  assert.not.ok(isTorchFile(strToU8('{"a":1}')));
  assert.throws(() => parseTorchStateDict(strToU8('hello'), 'a.pth'), /a\.pth.*another format/);
  assert.throws(
    () => parseTorchStateDict(zipSync({ 'a.txt': strToU8('x') }, { level: 0 }), 'a.pth'),
    /a\.pth: zip archive without data\.pkl/,
  );
  const entries = unzipSync(fixture('module.zip.pth'));
  assert.throws(
    () => parseTorchStateDict(zipSync(entries, { level: 6 }), 'a.pth'),
    /a\.pth: zip entry .* is compressed/,
  );
  const storage = Object.keys(entries).find((name) => name.endsWith('/data/0')) ?? '';
  assert.throws(
    () =>
      parseTorchStateDict(
        zipSync({ ...entries, [storage]: new Uint8Array(4) }, { level: 0 }),
        'a.pth',
      ),
    /a\.pth: tensor "0\.weight": expected storage 0 of 72 bytes, found 4 bytes/,
  );
  const order = storage.replace('data/0', 'byteorder');
  assert.throws(
    () =>
      parseTorchStateDict(zipSync({ ...entries, [order]: strToU8('big') }, { level: 0 }), 'a.pth'),
    /byte order/,
  );
});

suite('damaged files give a DataError or tensors of the declared size, nothing else', () => {
  const files = ['tensors.legacy.pth', 'tensors.zip.pth', 'old-parameter.legacy.pth'].map(fixture);
  let rejected = 0;
  const run = fc.property(
    fc.nat(files.length - 1),
    fc.array(fc.tuple(fc.nat(4000), fc.integer({ min: 1, max: 255 })), { maxLength: 3 }),
    fc.option(fc.nat(4000)),
    (which, changes, cut) => {
      const bytes = (files[which] ?? new Uint8Array()).slice(0, cut ?? undefined);
      for (const [at, mask] of changes) {
        if (bytes.length > 0) bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ mask;
      }
      try {
        for (const { shape, data } of parseTorchStateDict(bytes, 'fuzz').values()) {
          assert.is(
            data.length,
            shape.reduce((a, b) => a * b, 1),
          );
        }
      } catch (error) {
        if (!(error instanceof DataError)) throw error;
        rejected++;
      }
    },
  );
  fc.assert(run, { numRuns: 3000, seed: 3 });
  assert.ok(rejected > 500, `rejected ${rejected}`);
});

suite.run();
