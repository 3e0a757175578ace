/** Tables, numbers and sections of result files. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { commandLine } from '../../bench/output/context.ts';
import { kernelTables } from '../../bench/output/kernel-table.ts';
import { replaceSection } from '../../bench/output/section.ts';
import {
  bytesText,
  left,
  markdownTable,
  percent,
  right,
  significant,
  spreadText,
} from '../../bench/output/table.ts';

const suite = createSuite('output of benchmarks');

suite('three significant digits without exponents', () => {
  const cases: [number, string][] = [
    [1234.5, '1235'],
    [123.45, '123'],
    [12.345, '12.3'],
    [1.2345, '1.23'],
    [0.12345, '0.123'],
    [0.00012345, '0.000123'],
    [0, '0'],
    [-4.567, '-4.57'],
    [Number.NaN, 'NaN'],
  ];
  for (const [value, text] of cases) assert.is(significant(value), text);
});

suite('a command is told without the folders of the machine', () => {
  assert.is(commandLine('bench', []), 'npm run bench');
  assert.is(
    commandLine('bench', ['--weights', '/some/where/weights', '--out', 'here/plots']),
    'npm run bench -- --weights …/weights --out here/plots',
  );
});

suite('shares and bytes', () => {
  assert.is(spreadText({ spread: 0.1, count: 3 }), '10 %');
  assert.is(spreadText({ spread: 0, count: 2 }), '–');
  assert.is(percent(0.256), '26 %');
  assert.is(bytesText(512), '512 B');
  assert.is(bytesText(1536), '1.50 KiB');
  assert.is(bytesText(3 * 2 ** 30), '3.00 GiB');
  assert.is(bytesText(5000 * 2 ** 30), '5000 GiB');
});

suite('kernels with operations stand apart, with what limits them', () => {
  const common = {
    shape: 'small',
    milliseconds: 2,
    spread: 0,
    wallMilliseconds: 2,
    repeats: 9,
    dispatches: 1,
    gigabytes: 3,
    share: 0.5,
    error: 1e-7,
    tolerance: 1e-5,
    compared: 1,
    correct: true,
  };
  const conv = { ...common, family: 'conv forward net, 3×3' };
  const copy = {
    ...common,
    family: 'copy half',
    roof: { milliseconds: 1, limit: 'memory' },
  } as const;
  const tables = kernelTables(
    [
      { ...conv, name: 'conv forward a', gigaflops: 7, roof: { milliseconds: 1, limit: 'memory' } },
      {
        ...conv,
        name: 'conv forward b',
        gigaflops: 28,
        roof: { milliseconds: 1, limit: 'arithmetic' },
      },
      { ...copy, name: 'copy half a' },
      { ...copy, name: 'copy half b', gigabytes: 12, share: 0.72 },
      { ...copy, name: 'norm a', family: 'norm', copyShare: 0.81 },
      { ...copy, name: 'norm b', family: 'norm', copyShare: 1 },
    ],
    'ms',
  );
  const [, families, , memoryFamilies, , products, , memory] = tables.split('\n\n');
  assert.match(
    families,
    /conv forward net, 3×3 \| +2 \| +7\.00 \| +14\.0 \| +28\.0 \| +1 \| +50 % \| +28\.0 \| +28\.0 \|/,
  );
  assert.match(
    memoryFamilies,
    /copy half \| +2 \| +3\.00 \| +6\.00 \| +12\.0 \| +50 % \| +60 % \| +– \| +– \|/,
  );
  assert.match(memoryFamilies, /norm +\| .*\| +50 % \| +50 % \| +81 % \| +90 % \|/);
  assert.match(products, /GFLOP\/s \| of roof \| limit/);
  assert.match(products, /conv forward a .*\| +7\.00 \| +50 % \| memory +\|/);
  assert.match(products, /of roof \| limit +\| +error/, 'no passes there');
  assert.match(memory, /GB\/s \| of roof \| limit +\| passes, of a copy \| error/);
  assert.match(memory, /copy half a .*\| +3\.00 \| +50 % \| memory +\| +– \|/);
  assert.match(memory, /norm a .*\| +81 % \|/);
});

suite('a Markdown table pads its cells and aligns its columns', () => {
  const table = markdownTable(
    [left('kernel'), right('ms')],
    [
      ['add', '1.5'],
      ['multiply', '12'],
    ],
  );
  assert.is(
    table,
    ['| kernel   |  ms |', '| -------- | --: |', '| add      | 1.5 |', '| multiply |  12 |'].join(
      '\n',
    ),
  );
});

suite('a section is added once, then replaced, and everything else stays', () => {
  const prose = '# Results\n\nWritten by hand.\n';
  const added = replaceSection(prose, 'Kernels', 'first');
  assert.match(added, '## Kernels');
  assert.match(added, 'Written by hand.');
  const other = replaceSection(added, 'Scaling', 'other');
  const replaced = replaceSection(`${other}\nAfterword.\n`, 'Kernels', 'second $& once');
  assert.not.match(replaced, 'first');
  assert.match(replaced, 'second $& once');
  assert.match(replaced, 'other');
  assert.match(replaced, 'Afterword.');
  assert.is(replaced.split('## Kernels').length, 2);
});

suite.run();
