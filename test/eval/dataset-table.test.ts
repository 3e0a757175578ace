/** The paper's Table 1, to the last digit, from USEnhance's counts. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { splitPairs } from '../../src/data/split.ts';
import { DataError } from '../../src/errors.ts';
import { datasetTable, readDevices } from '../../src/eval/benchmark/dataset-table.ts';

const suite = createSuite<{ folder: string }>('dataset table');
suite.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'sonolift-devices-'));
});
suite.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

const COUNTS = { thyroid: 291, carotid: 286, liver: 149, kidney: 122, breast: 202 };
const PAIRS = Object.entries(COUNTS).flatMap(([organ, count]) =>
  Array.from({ length: count }, (_, i) => ({ organ, name: String(i).padStart(4, '0') })),
);

const DEVICES = `organ,low_device,high_device,patients
thyroid,mSonics MU1,Toshiba Aplio 500,33
carotid,SSUN,Toshiba Aplio 500,54
abdomen,SSUN,General Electric LOGIQ E9,21
breast,mSonics MU1,"Aixplorer (SuperSonic Imaging SA)",23
`;

suite("is the paper's Table 1", ({ folder }) => {
  writeFileSync(join(folder, 'devices.csv'), DEVICES);
  const table = datasetTable(PAIRS, splitPairs(PAIRS, 0), readDevices(undefined, folder));
  assert.equal(
    table.columns.map(({ label }) => label),
    [
      ...['Organ', 'Low-end device', 'High-end device', 'Patients (n=131), n (%)'],
      ...['Training (n=840), n (%)', 'Testing (n=210), n (%)', 'Total (n=1050), n (%)'],
    ],
  );
  assert.equal(
    table.rows.map((row) => row.map(({ text }) => text).join(' | ')),
    [
      'Thyroid | mSonics MU1 | Toshiba Aplio 500 | 33 (25.2) | 233 (27.7) | 58 (27.6) | 291 (27.7)',
      'Carotid | SSUN | Toshiba Aplio 500 | 54 (41.2) | 229 (27.3) | 57 (27.1) | 286 (27.2)',
      'Abdomen | SSUN | General Electric LOGIQ E9 | 21 (16) | 217 (25.8) | 54 (25.7) | 271 (25.8)',
      'Breast | mSonics MU1 | Aixplorer (SuperSonic Imaging SA) | 23 (17.6) | 161 (19.2) | 41 (19.5) | 202 (19.2)',
    ],
  );
});

suite('says what is not stated, and invents nothing', ({ folder }) => {
  const table = datasetTable(
    PAIRS,
    splitPairs(PAIRS, 1),
    readDevices(undefined, join(folder, 'x')),
  );
  assert.equal(
    table.rows[0].slice(1, 4).map(({ text }) => text),
    ['not stated', 'not stated', 'not stated'],
  );
  assert.match(table.notes.join(), 'does not say which devices');
});

suite('a wrong file is named', ({ folder }) => {
  const file = join(folder, 'wrong.csv');
  const cases: [string, RegExp][] = [
    ['organ,low_device\nliver,a\n', /wrong\.csv: expected a column high_device, found organ/],
    ['organ,low_device,high_device,patients\nliver,a,b,many\n', /patients of liver: .*found many/],
    ['organ,low_device,high_device\nliver,a,b\nkidney,c,d\n', /organ abdomen is there twice/],
  ];
  for (const [text, message] of cases) {
    writeFileSync(file, text);
    assert.throws(
      () => readDevices(file, folder),
      (error: Error) => error instanceof DataError && message.test(error.message),
      String(message),
    );
  }
  assert.throws(() => readDevices(join(folder, 'none.csv'), folder), /none\.csv: cannot be read/);
  const stranger = new Map([['heart', { low: 'a', high: 'b', patients: undefined }]]);
  assert.throws(() => datasetTable(PAIRS, splitPairs(PAIRS, 0), stranger), /organ heart is not/);
});

suite.run();
