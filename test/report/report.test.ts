import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { RandomStream } from '../../src/autograd/philox.ts';
import type { GrayImage } from '../../src/data/image.ts';
import { DataError, ShapeError, UsageError } from '../../src/errors.ts';
import { compareScores } from '../../src/metrics/comparison.ts';
import { loadReportAssets } from '../../src/report/assets.node.ts';
import { movingAverage, plotData, thin } from '../../src/report/curves.ts';
import {
  differenceImage,
  differenceScale,
  meanAbsoluteDifference,
} from '../../src/report/difference.ts';
import {
  formatDuration,
  formatNumber,
  formatPValue,
  formatSigned,
} from '../../src/report/format.ts';
import { escapeHtml, inlineText, scriptJson } from '../../src/report/html.ts';
import { flattenConfiguration, renderReport } from '../../src/report/report.ts';
import { headline } from '../../src/report/scores.ts';
import type { ReportContent } from '../../src/report/types.ts';
import { sampleContent } from './sample.ts';

const suite = createSuite('report');
const assets = loadReportAssets();
const content = sampleContent();
const page = renderReport(content, assets);

/** The page without the text of its scripts and style sheets. */
const markup = page.replace(/<(script|style)([^>]*)>[\s\S]*?<\/\1>/g, '<$1$2></$1>');

suite('loads nothing from elsewhere', () => {
  const addresses = [...markup.matchAll(/\s(?:src|href|srcset|poster)="([^"]*)"/g)].map(
    (m) => m[1],
  );
  assert.ok(addresses.length > 0);
  for (const address of addresses) assert.match(address ?? '', /^data:image\/png;base64,/);
  const styles = [...page.matchAll(/<style>([\s\S]*?)<\/style>/g)].map((m) => m[1]).join('');
  assert.not.match(styles, /@import|url\((?!#)/);
  assert.match(markup, /Content-Security-Policy" content="default-src 'none'/);
  assert.not.match(markup, /<link|<iframe|<object/);
});

suite('carries the images of every triple once, and two error maps', () => {
  const images = [...markup.matchAll(/<img [^>]*src="([^"]*)"/g)].map((m) => m[1] ?? '');
  assert.is(images.length, 5 * content.pictures.length);
  assert.is(new Set(images).size, images.length);
  const bytes = Buffer.from((images[0] ?? '').replace(/^[^,]*,/, ''), 'base64');
  assert.equal([...bytes.subarray(1, 4)], [...Buffer.from('PNG')]);
});

suite('escapes what it is given', () => {
  assert.match(page, 'held out &lt;of training&gt;');
  const hostile = '</script><script>alert(1)</script>';
  const attacked = renderReport(
    {
      ...content,
      title: hostile,
      subtitle: hostile,
      command: hostile,
      adapter: hostile,
      notes: [hostile],
      configuration: { [hostile]: hostile },
      curves: [
        { title: hostile, xLabel: hostile, x: [1], series: [{ name: hostile, values: [1] }] },
      ],
    },
    assets,
  );
  assert.not.match(attacked, '<script>alert(1)');
  assert.is(escapeHtml(`<a href="x">'&`), '&lt;a href=&quot;x&quot;&gt;&#39;&amp;');
  assert.not.match(scriptJson({ a: '</script>' }), '</');
  assert.throws(() => inlineText('script', 'x </SCRIPT>'), RangeError);
});

suite('marks better and worse in words', () => {
  const rows = [...markup.matchAll(/<tr>[\s\S]*?<\/tr>/g)].map((m) => m[0]);
  const row = (label: string) =>
    rows.find((text) => text.includes(`"metric-name">${label} <`)) ?? '';
  assert.match(row('SSIM'), '▲</span> better');
  assert.match(row('LNCC'), '▼</span> worse');
  assert.match(row('LNCC (paper)'), 'uncertain');
  // Random features fall by improving: the printed change is negative, the verdict positive.
  assert.match(row('random features'), /data-label="Change[^>]*><div>−0\.1/);
  assert.match(row('random features'), '▲</span> better');
});

suite('says in its first sentence what improved and what did not', () => {
  assert.is(
    headline(content.scores),
    'Enhanced images are closer to the high-quality target than the low-quality input on 4 of 5 metrics; farther on LNCC; uncertain on LNCC (paper).',
  );
  const random = new RandomStream(1, 'test');
  const same = compareScores('psnr', [15, 16], [15, 16], random);
  assert.match(headline([same]), 'on 0 of 1 metrics; equal on PSNR.');
  const lower = compareScores('lpips_alex', [0.5, 0.6, 0.7], [0.4, 0.45, 0.6], random);
  assert.match(headline([lower]), 'low-quality input on LPIPS (Alex).');
});

suite('leaves out sections that have nothing to show', () => {
  const empty = renderReport(
    { ...content, curves: [], scores: [], pictures: [], notes: [] },
    assets,
  );
  for (const id of ['pictures', 'scores', 'curves', 'notes']) {
    assert.match(page, `id="${id}"`);
    assert.not.match(empty, `id="${id}"`);
  }
  assert.match(empty, content.adapter);
});

suite('refuses triples of different size, broken pixels, unknown metrics and ragged curves', () => {
  const image = (side: number, value = 0.5): GrayImage => ({
    width: side,
    height: side,
    data: new Float32Array(side * side).fill(value),
  });
  const [low, enhanced, high] = [image(4), image(4), image(4)];
  const rendering = (change: Partial<ReportContent>) => () =>
    renderReport({ ...content, pictures: [], curves: [], ...change }, assets);
  const caption = 'x';
  const throwsType = (change: Partial<ReportContent>, type: new (message: string) => Error) =>
    assert.throws(rendering(change), (error: unknown) => error instanceof type);
  throwsType({ pictures: [{ caption, low, enhanced: image(5), high }] }, ShapeError);
  throwsType({ pictures: [{ caption, low: image(4, Number.NaN), enhanced, high }] }, DataError);
  throwsType(
    {
      pictures: [
        { caption, low, enhanced, high, scores: [{ metric: 'fid', low: 1, enhanced: 2 }] },
      ],
    },
    UsageError,
  );
  throwsType(
    { curves: [{ title: 't', xLabel: 'step', x: [1, 2], series: [{ name: 'a', values: [1] }] }] },
    ShapeError,
  );
});

suite('maps signed errors around mid grey on a shared scale', () => {
  const target: GrayImage = { width: 2, height: 2, data: Float32Array.of(0.5, 0.5, 0.5, 0.5) };
  const image: GrayImage = { width: 2, height: 2, data: Float32Array.of(0.5, 0.75, 0.25, 1) };
  assert.is(differenceScale([image], target), 0.5);
  assert.equal([...differenceImage(image, target, 0.5).data], [0.5, 0.75, 0.25, 1]);
  assert.equal([...differenceImage(image, target, 0.25).data], [0.5, 1, 0, 1]);
  assert.is(meanAbsoluteDifference(image, target), 0.25);
  assert.is(differenceScale([target], target), 1 / 255);
});

suite('averages curves without bias at their start and keeps gaps', () => {
  assert.equal(movingAverage([2, null, 2, 2], 5), [2, null, 2, 2]);
  const average = movingAverage([0, 1], 2);
  assert.ok(Math.abs((average[1] ?? 0) - 2 / 3) < 1e-15);
});

suite('thins long curves without losing peaks or ends', () => {
  const column = Array.from({ length: 10_000 }, (_, i) => (i === 4321 ? 99 : Math.sin(i)));
  const kept = thin([column], 500);
  assert.ok(kept.length <= 500);
  assert.is(kept[0], 0);
  assert.is(kept.at(-1), 9999);
  assert.ok(kept.includes(4321));
  assert.ok(kept.every((index, i) => i === 0 || index > (kept[i - 1] ?? 0)));
  assert.equal(thin([[1, 2, 3]], 500), [0, 1, 2]);
});

suite('leaves gaps for values that cannot be drawn, and says how many', () => {
  const curve = {
    title: 't',
    xLabel: 'step',
    x: [1, 2, 3, 4],
    series: [{ name: 'a', values: [1, Number.NaN, null, -1] }],
  };
  assert.equal(plotData(curve).plot.columns[1], [1, null, null, -1]);
  assert.is(plotData(curve).missing, 1);
  assert.is(plotData({ ...curve, scale: 'log' }).missing, 2);
  const rendered = renderReport({ ...content, curves: [curve] }, assets);
  assert.match(rendered, '1 value is not finite and left out');
});

suite('formats numbers for people', () => {
  assert.is(formatNumber(-1.234, 2), '−1.23');
  assert.is(formatNumber(-0.001, 2), '0.00');
  assert.is(formatNumber(Number.NaN, 2), 'n/a');
  assert.is(formatSigned(1.5, 1), '+1.5');
  assert.is(formatSigned(0.001, 2), '0.00');
  assert.equal([0.0002, 0.0042, 0.034, 0.5, 0.995, Number.NaN].map(formatPValue), [
    '< .001',
    '.004',
    '.03',
    '.50',
    '> .99',
    'n/a',
  ]);
  assert.equal([0.84, 42.2, 59.7, 185, 3599.6, 7620, Number.NaN].map(formatDuration), [
    '0.8 s',
    '42 s',
    '1 min 00 s',
    '3 min 05 s',
    '1 h 00 min',
    '2 h 07 min',
    'n/a',
  ]);
});

suite('flattens a configuration to dotted keys', () => {
  const rows = flattenConfiguration({ a: 1, b: { c: [1, 2], d: null }, e: [], f: [{ g: 1 }] });
  assert.equal(
    rows.map(({ key, text }) => `${key}=${text}`),
    ['a=1', 'b.c=1, 2', 'b.d=none', 'e=none', 'f=[{"g":1}]'],
  );
});

suite.run();
