import { curvesSection } from './curves.ts';
import { renderDocument } from './document.ts';
import { escapeHtml } from './html.ts';
import { picturesSection } from './pictures.ts';
import { headline, headlineCards, scoresSection } from './scores.ts';
import type { ConfigurationValue, ReportAssets, ReportContent } from './types.ts';

/**
 * Chromium under LANG=C calls its language `en-US@posix`, which no Intl function takes; the plot library
 * would end there.
 */
const LANGUAGE_GUARD =
  "try { new Intl.NumberFormat(navigator.language); } catch { Object.defineProperty(navigator, 'language', { value: 'en' }); }";

/** Rows of dotted keys and printed values, e.g. `adam.betas` and `0.9, 0.999`. */
export function flattenConfiguration(
  value: ConfigurationValue,
  prefix = '',
): { key: string; text: string }[] {
  if (Array.isArray(value)) {
    const plain = value.every((item) => item === null || typeof item !== 'object');
    if (plain) return [{ key: prefix, text: value.length === 0 ? 'none' : value.join(', ') }];
    return [{ key: prefix, text: JSON.stringify(value) }];
  }
  if (value !== null && typeof value === 'object') {
    return Object.entries(value).flatMap(([key, item]) =>
      flattenConfiguration(item, prefix === '' ? key : `${prefix}.${key}`),
    );
  }
  return [{ key: prefix, text: value === null ? 'none' : String(value) }];
}

function configurationSection(content: ReportContent): string {
  const rows = flattenConfiguration(content.configuration).map(
    ({ key, text }) => `<div><dt>${escapeHtml(key)}</dt><dd>${escapeHtml(text)}</dd></div>`,
  );
  const command =
    content.command === undefined
      ? ''
      : `<p>Made by</p><pre><code>${escapeHtml(content.command)}</code></pre>`;
  const settings =
    rows.length === 0
      ? ''
      : `<details><summary>All ${rows.length} settings</summary><dl class="settings">${rows.join('')}</dl></details>`;
  return `<section id="configuration">
<h2>How it was made</h2>
${command}
<p>Computed on ${escapeHtml(content.adapter)}.</p>
${settings}
</section>`;
}

function notesSection(notes: readonly string[]): string {
  if (notes.length === 0) return '';
  const items = notes.map((note) => `<li>${escapeHtml(note)}</li>`);
  return `<section id="notes"><h2>Notes</h2><ul class="notes">${items.join('')}</ul></section>`;
}

/**
 * A self-contained HTML page on one run: outcome, before/after pictures, scores beside
 * "reference low", training curves, settings. It carries its scripts, styles and images inside,
 * asks nothing of the network (a content policy forbids it), follows the reader's light or dark
 * setting and fits a phone.
 *
 * @param assets see `loadReportAssets` in assets.node.ts
 * @throws ShapeError when images of a triple differ in size or a curve's series from its axis,
 *   DataError when a pixel is NaN, UsageError of an unknown metric
 */
export function renderReport(content: ReportContent, assets: ReportAssets): string {
  const { scores } = content;
  const outcome =
    scores.length === 0 ? '' : `<p class="headline">${escapeHtml(headline(scores))}</p>`;
  const sections = [
    picturesSection(content.pictures),
    scoresSection(scores, content.scoredOn),
    curvesSection(content.curves),
    notesSection(content.notes),
    configurationSection(content),
  ];
  return renderDocument({
    title: content.title,
    subtitle: content.subtitle,
    header: `${outcome}\n${headlineCards(scores)}`,
    main: sections.join('\n'),
    styles: [assets.plotStyle, assets.pageStyle],
    scripts: [LANGUAGE_GUARD, assets.plotScript, assets.pageScript],
  });
}
