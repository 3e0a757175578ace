import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { ShapeError } from '../../src/errors.ts';
import { csvText, parseCsv } from '../../src/report/csv.ts';
import {
  htmlTable,
  latexTable,
  markdownTable,
  plainTable,
  type TextTable,
} from '../../src/report/text-table.ts';

const suite = createSuite('text tables');

const table: TextTable = {
  name: 'Table 9',
  caption: 'A_b & 5%.',
  columns: [{ label: 'System', align: 'left' }, { label: 'PSNR ↑' }],
  rows: [
    [{ text: 'a|b' }, { text: '−1.50', value: -1.5, detail: '± 0.20 (P < .001)' }],
    [{ text: '<b>' }, { text: '16.39', value: 16.39, isBold: true }],
  ],
  notes: ['Higher is better.'],
};

suite('Markdown', () => {
  assert.is(
    markdownTable(table),
    [
      '**Table 9.** A\\_b & 5%.',
      '',
      '| System | PSNR ↑ |',
      '| --- | ---: |',
      '| a\\|b | −1.50 ± 0.20 (P < .001) |',
      '| \\<b> | **16.39** |',
      '',
      'Higher is better.',
      '',
    ].join('\n'),
  );
});

suite('plain text, the best marked by a star', () => {
  assert.is(
    plainTable(table),
    [
      'Table 9. A_b & 5%.',
      '',
      'System                   PSNR ↑',
      'a|b     −1.50 ± 0.20 (P < .001)',
      '<b>                      *16.39',
      '',
      'Higher is better.',
      '',
    ].join('\n'),
  );
});

suite('LaTeX', () => {
  const text = latexTable(table, 'tab:nine');
  for (const line of [
    '  \\caption{A\\_b \\& 5\\%.}',
    '  \\label{tab:nine}',
    '  \\begin{tabular}{lr}',
    '    System & PSNR $\\uparrow$ \\\\',
    '    a|b & $-$1.50 {\\footnotesize $\\pm$ 0.20 (P $<$ .001)} \\\\',
    '    $<$b$>$ & \\textbf{16.39} \\\\',
    '  \\par\\footnotesize Higher is better.',
  ]) {
    assert.ok(text.split('\n').includes(line), `${line}\nnot in\n${text}`);
  }
});

suite('HTML, escaped, with the values to sort by', () => {
  const text = htmlTable(table);
  assert.match(text, '<td data-value="-1.5">−1.50 <span');
  assert.match(text, '<td class="left">&lt;b&gt;</td><td data-value="16.39"><b>16.39</b></td>');
  assert.match(text, '(P &lt; .001)');
});

suite('a ragged table is refused', () => {
  const ragged = { ...table, rows: [[{ text: 'x' }]] };
  for (const render of [
    markdownTable,
    plainTable,
    htmlTable,
    (t: TextTable) => latexTable(t, 'x'),
  ]) {
    assert.throws(
      () => render(ragged),
      (error: unknown) => error instanceof ShapeError,
    );
  }
});

suite('CSV is read back as it was written', () => {
  const rows = [
    ['organ', 'a "b", c'],
    ['line\nbreak', ''],
    [' spaces ', '1.5'],
  ];
  assert.is(csvText([['a', 1.5, 'b,c', 'd"e']]), 'a,1.5,"b,c","d""e"\n');
  // Spaces are kept in quotes only.
  assert.equal(parseCsv(csvText(rows)), [rows[0], rows[1], ['spaces', '1.5']]);
  assert.equal(parseCsv('\uFEFFa, "b c" \r\n\r\n1,2'), [
    ['a', 'b c '],
    ['1', '2'],
  ]);
});

suite.run();
