/** Table 2 and the page of a benchmark, from scores whose numbers are known. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import type { GrayImage } from '../../src/data/image.ts';
import { ShapeError } from '../../src/errors.ts';
import { metricNamed } from '../../src/metrics/metrics.ts';
import { rankSystems } from '../../src/metrics/ranking.ts';
import { loadBenchmarkAssets } from '../../src/report/benchmark/assets.node.ts';
import {
  type BenchmarkPage,
  benchmarkHeadline,
  renderBenchmarkPage,
} from '../../src/report/benchmark/page.ts';
import { effectTable, organTable, scoreTable } from '../../src/report/benchmark/score-tables.ts';

const suite = createSuite('benchmark report');

/** 60 images: one system worse everywhere, one better everywhere, one equal. */
const count = 60;
const base = Array.from({ length: count }, (_, i) => 14 + (i % 7) / 7);
const shifted = (by: number) => base.map((value, i) => value + by + (i % 5) / 1000);
const rows = rankSystems(
  [
    { id: 'reference-low', label: 'Reference low', scores: { psnr: shifted(-1) } },
    { id: 'pix2pix', label: 'Pix2Pix', scores: { psnr: shifted(0.5) } },
    { id: 'proposed', label: 'Proposed method', scores: { psnr: base } },
  ],
  ['psnr'],
  'proposed',
);
const columns = [
  { metric: metricNamed('psnr'), missing: undefined },
  { metric: metricNamed('lpips_vgg'), missing: 'no such tensor' },
];

suite("prints scores and P as the paper's Table 2 does", () => {
  const table = scoreTable(rows, columns, 'Proposed method', '60 held-out images');
  assert.equal(
    table.columns.map(({ label }) => label),
    ['System', 'PSNR (dB) ↑', 'LPIPS (VGG) ↓'],
  );
  const [low, pix2pix, proposed] = table.rows;
  assert.match(low[1].detail ?? '', /^± 0\.\d{4} \(P < \.001\)$/);
  assert.match(pix2pix[1].detail ?? '', /^± 0\.\d{4} \(P > \.99\)$/);
  assert.match(proposed[1].detail ?? '', /^± 0\.\d{4}$/);
  const mean = base.reduce((sum, value) => sum + value, 0) / count;
  assert.is(proposed[1].text, mean.toFixed(4));
  assert.equal(
    table.rows.map((row) => row[1].isBold),
    [false, true, false],
  );
  // A metric that cannot be computed keeps its column and says why.
  assert.ok(table.rows.every((row) => row[2].text === 'not available'));
  assert.ok(table.notes.includes('LPIPS (VGG) is not available: no such tensor'));
});

suite('effect sizes are those of the main system over each other', () => {
  const table = effectTable(rows, columns, 'Proposed method');
  assert.is(table.rows.length, 2);
  assert.equal(
    table.rows.map((row) => [row[1].text, row[2].text, row[4].text, row[5].text, row[6].text]),
    [
      ['Reference low', '+0.9980', '+1.00', '60 of 60', '< .001'],
      ['Pix2Pix', '−0.5020', '−1.00', '0 of 60', '> .99'],
    ],
  );
});

suite('the best of every organ is bold', () => {
  const { rows: cells } = organTable(
    [
      {
        organ: 'liver',
        count: 3,
        systems: [
          { label: 'A', means: { psnr: 15 } },
          { label: 'B', means: { psnr: 16.25 } },
        ],
      },
    ],
    columns,
  );
  assert.equal(
    cells.map((row) => row.map(({ text }) => text)),
    [
      ['liver', '3', 'A', '15.0000'],
      ['liver', '3', 'B', '16.2500'],
    ],
  );
  assert.equal(
    cells.map((row) => row[3].isBold),
    [false, true],
  );
});

const picture = (grey: number): GrayImage => ({
  width: 4,
  height: 4,
  data: new Float32Array(16).fill(grey),
});
const content: BenchmarkPage = {
  title: 'Benchmark </script><script>alert(1)</script>',
  subtitle: 'two <systems>',
  headline: benchmarkHeadline(rows, [metricNamed('psnr')]),
  tables: [scoreTable(rows, columns, 'Proposed method', '60 held-out images')],
  views: ['Reference low', 'Pix2Pix', 'Reference high'],
  metrics: [metricNamed('psnr')],
  images: [
    {
      organ: 'liver</script>',
      name: '0001',
      pictures: [picture(0.2), picture(0.5), picture(0.8)],
      scores: [[14.2978], [16.3914], undefined],
    },
  ],
  notes: ['a < b'],
  command: 'npx tsx src/eval/benchmark',
  settings: { seeds: [0, 1] },
};

suite('the page is whole, loads nothing, and escapes what it shows', () => {
  const page = renderBenchmarkPage(content, loadBenchmarkAssets());
  assert.match(page, 'Best mean scores: Pix2Pix on PSNR.');
  assert.not.match(page, '<script>alert(1)');
  assert.match(page, "default-src 'none'; img-src data:");
  assert.not.match(page, /<link|<iframe|<object|@import/);
  const [, json] = /<script type="application\/json"[^>]*>(.*?)<\/script>/s.exec(page) ?? [];
  const data = JSON.parse(json ?? '');
  assert.equal(data.images[0].scores, [['14.30'], ['16.39'], null]);
  assert.is(data.images[0].title, 'liver</script> 0001');
  assert.is(new Set(data.images[0].pictures).size, 3);
  for (const address of data.images[0].pictures) assert.match(address, /^data:image\/png;base64,/);
});

suite('an image that lacks a view is refused', () => {
  const [image] = content.images;
  const lacking = { ...content, images: [{ ...image, pictures: image.pictures.slice(1) }] };
  assert.throws(
    () => renderBenchmarkPage(lacking, loadBenchmarkAssets()),
    (error: unknown) => error instanceof ShapeError,
  );
});

suite.run();
