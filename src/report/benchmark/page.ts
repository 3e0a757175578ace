import { encodePng, type GrayImage } from '../../data/image.ts';
import { ShapeError } from '../../errors.ts';
import type { MetricDescription } from '../../metrics/metrics.ts';
import type { RankedRow } from '../../metrics/ranking.ts';
import { renderDocument } from '../document.ts';
import { formatNumber } from '../format.ts';
import { dataUri, escapeHtml, scriptJson } from '../html.ts';
import { flattenConfiguration } from '../report.ts';
import { htmlTable, type TextTable } from '../text-table.ts';
import type { ConfigurationValue } from '../types.ts';

/** One held-out image in the viewer: a picture and scores for each of the page's views. */
export interface ViewedImage {
  readonly organ: string;
  readonly name: string;
  readonly pictures: readonly GrayImage[];
  /** A number a metric; undefined for the high-quality image, which has no scores. */
  readonly scores: readonly (readonly number[] | undefined)[];
}

/** Everything that a benchmark's page shows. */
export interface BenchmarkPage {
  readonly title: string;
  readonly subtitle: string;
  readonly headline: string;
  readonly tables: readonly TextTable[];
  /** What the viewer shows of each image, in order: reference low, the systems, reference high. */
  readonly views: readonly string[];
  readonly metrics: readonly MetricDescription[];
  readonly images: readonly ViewedImage[];
  readonly notes: readonly string[];
  readonly command: string;
  readonly settings: { readonly [key: string]: ConfigurationValue };
}

/** The script and style sheet that the page carries inside. */
export interface BenchmarkAssets {
  readonly script: string;
  readonly style: string;
}

/** Plain text: which system has the best mean of each metric. */
export function benchmarkHeadline(
  rows: readonly RankedRow[],
  metrics: readonly MetricDescription[],
): string {
  const wins = new Map<string, string[]>();
  for (const { name, label } of metrics) {
    const best = rows.filter(({ cells }) => cells[name].isBest).map((row) => row.label);
    const who = best.join(' and ');
    wins.set(who, [...(wins.get(who) ?? []), label]);
  }
  const parts = [...wins].map(([who, labels]) => `${who} on ${labels.join(', ')}`);
  return `Best mean scores: ${parts.join('; ')}.`;
}

function viewerData({ views, metrics, images }: BenchmarkPage) {
  return {
    views,
    metrics: metrics.map(({ label, direction }) => ({ label, direction })),
    images: images.map(({ organ, name, pictures, scores }) => {
      if (pictures.length !== views.length || scores.length !== views.length) {
        throw new ShapeError(
          `benchmark page: ${organ} ${name}: expected ${views.length} pictures and scores, found ${pictures.length} and ${scores.length}`,
        );
      }
      return {
        title: `${organ} ${name}`,
        width: pictures[0]?.width ?? 0,
        pictures: pictures.map((picture) => dataUri('image/png', encodePng(picture))),
        scores: scores.map(
          (row) => row?.map((value, index) => formatNumber(value, metrics[index].decimals)) ?? null,
        ),
      };
    }),
  };
}

function viewerSection(page: BenchmarkPage): string {
  if (page.images.length === 0) return '';
  const buttons = page.views.map(
    (view, index) =>
      `<button type="button" data-view="${index}" aria-pressed="${index === 0}"><img alt="" class="thumb"><span>${escapeHtml(view)}</span></button>`,
  );
  const options = page.images.map(
    ({ organ, name }, index) =>
      `<option value="${index}">${escapeHtml(`${organ} ${name}`)}</option>`,
  );
  return `<section id="pictures">
<h2>Held-out images</h2>
<noscript><p class="warning">The pictures are shown by a script inside this page; this browser has scripts turned off.</p></noscript>
<div id="viewer" tabindex="0" role="group" aria-label="Viewer of held-out images">
<div class="bar"><button type="button" id="previous" aria-label="previous image">↑</button><select id="image" aria-label="image">${options.join('')}</select><button type="button" id="next" aria-label="next image">↓</button><span id="place" class="muted small"></span><label class="small"><input type="checkbox" id="difference"> difference from reference high</label></div>
<div class="stage"><div class="frame"><img id="picture" alt=""><img id="target" alt=""></div><div class="facts"><h3 id="shown" aria-live="polite"></h3><dl id="scores"></dl></div></div>
<div class="strip" role="group" aria-label="systems">${buttons.join('')}</div>
<p class="small muted">Keys, once the viewer has been clicked or tabbed to: ← → system, ↑ ↓ image, D difference, 1 to 9 a system.</p>
</div>
<script type="application/json" id="viewer-data">${scriptJson(viewerData(page))}</script>
</section>`;
}

function settingsSection({ command, settings }: BenchmarkPage): string {
  const rows = flattenConfiguration(settings).map(
    ({ key, text }) => `<div><dt>${escapeHtml(key)}</dt><dd>${escapeHtml(text)}</dd></div>`,
  );
  return `<section id="configuration">
<h2>How it was made</h2>
<pre><code>${escapeHtml(command)}</code></pre>
<details><summary>All ${rows.length} settings</summary><dl class="settings">${rows.join('')}</dl></details>
</section>`;
}

/**
 * A self-contained HTML page of a benchmark: tables that sort by any column, held-out images to flip
 * through by system and image. It carries its script, styles and images inside and asks nothing of the
 * network.
 * @throws ShapeError of a ragged table, or an image that lacks a view
 */
export function renderBenchmarkPage(page: BenchmarkPage, assets: BenchmarkAssets): string {
  const [first, ...others] = page.tables;
  const section = (table: TextTable): string =>
    `<section><h2>${escapeHtml(table.name)}</h2>${htmlTable(table)}</section>`;
  const notes = page.notes.map((note) => `<li>${escapeHtml(note)}</li>`);
  const sections = [
    first ? section(first) : '',
    viewerSection(page),
    ...others.map(section),
    `<section id="notes"><h2>Notes</h2><ul class="notes">${notes.join('')}</ul></section>`,
    settingsSection(page),
  ];
  return renderDocument({
    title: page.title,
    subtitle: page.subtitle,
    header: `<p class="headline">${escapeHtml(page.headline)}</p>`,
    main: sections.join('\n'),
    styles: [assets.style],
    scripts: [assets.script],
  });
}
