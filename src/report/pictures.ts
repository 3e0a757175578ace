import { encodePng, type GrayImage } from '../data/image.ts';
import { isBetter, metricNamed } from '../metrics/metrics.ts';
import { differenceImage, differenceScale, meanAbsoluteDifference } from './difference.ts';
import { formatNumber, formatScore } from './format.ts';
import { dataUri, escapeHtml } from './html.ts';
import type { Picture, PictureScore } from './types.ts';

/** Images up to this width are shown with their pixels visible rather than blurred. */
const PIXELATED_WIDTH = 160;

function imageTag(image: GrayImage, alt: string, className = ''): string {
  const classes = [className, image.width <= PIXELATED_WIDTH ? 'pixelated' : '']
    .filter((name) => name !== '')
    .join(' ');
  return `<img${classes === '' ? '' : ` class="${classes}"`} src="${dataUri('image/png', encodePng(image))}" width="${image.width}" height="${image.height}" alt="${escapeHtml(alt)}">`;
}

/** A picture in its frame with a caption; `role` places it in each of the three views. */
function panel(role: string, image: string, label: string, detail: string): string {
  return `<div class="panel ${role}"><div class="frame">${image}</div><div class="label"><b>${label}</b> <span class="muted">${escapeHtml(detail)}</span></div></div>`;
}

function scoreLine(scores: readonly PictureScore[]): string {
  if (scores.length === 0) return '';
  const items = scores.map(({ metric: name, low, enhanced }) => {
    const metric = metricNamed(name);
    const better = isBetter(metric.direction, enhanced, low);
    const worse = isBetter(metric.direction, low, enhanced);
    const word = better ? 'better' : worse ? 'worse' : 'equal';
    return `<li><span class="muted">${escapeHtml(metric.label)}</span> ${formatNumber(low, metric.decimals)} → ${formatScore(metric, enhanced)} <span class="verdict ${word}">${word}</span></li>`;
  });
  return `<ul class="picture-scores">${items.join('')}</ul>`;
}

function figure(picture: Picture, index: number): string {
  const { low, enhanced, high, caption } = picture;
  const scale = differenceScale([low, enhanced], high);
  const name = `picture ${index + 1}`;
  const errorPanel = (image: GrayImage, role: string, label: string) =>
    panel(
      role,
      imageTag(differenceImage(image, high, scale), `${name}: ${label}`, 'diverging'),
      label,
      `mean |error| ${formatNumber(meanAbsoluteDifference(image, high), 3)}`,
    );
  const bound = formatNumber(scale, 2);
  return `<figure>
<div class="panels">
${panel('low', imageTag(low, `${name}: low quality`), 'low quality', 'input')}
${panel('enhanced', imageTag(enhanced, `${name}: enhanced`), 'enhanced', 'output')}
${panel('high', imageTag(high, `${name}: high quality`), 'high quality', 'target')}
<div class="control"><div class="handle" aria-hidden="true"></div><input type="range" min="0" max="100" step="0.5" value="50" aria-label="${name}: move between low quality and enhanced"></div>
${errorPanel(low, 'error-low', 'low − high')}
${errorPanel(enhanced, 'error-enhanced', 'enhanced − high')}
<div class="panel key"><div class="ramp" aria-hidden="true"></div><div class="ends"><span>−${bound}<br>darker</span><span>0</span><span>+${bound}<br>brighter</span></div></div>
</div>
<figcaption>${escapeHtml(caption)}${scoreLine(picture.scores ?? [])}</figcaption>
</figure>`;
}

/** Grey to blue, black, orange: drawn by the browser over grey error maps, so files stay small. */
const DIVERGING_FILTER = `<svg width="0" height="0" aria-hidden="true" class="offscreen"><filter id="diverging" color-interpolation-filters="sRGB"><feComponentTransfer><feFuncR type="table" tableValues="0.84 0.25 0.03 0.98 1"/><feFuncG type="table" tableValues="0.93 0.58 0.03 0.52 0.92"/><feFuncB type="table" tableValues="1 0.98 0.04 0.16 0.80"/></feComponentTransfer></filter></svg>`;

/**
 * The section of before/after pictures: side by side, low over enhanced with a slider, and signed
 * error maps; empty when there are none.
 * @throws ShapeError when the images of a triple differ in size, UsageError of an unknown metric
 */
export function picturesSection(pictures: readonly Picture[]): string {
  if (pictures.length === 0) return '';
  const views = [
    ['side', 'Side by side'],
    ['slider', 'Slider'],
    ['difference', 'Error maps'],
  ].map(
    ([value, label]) =>
      `<button type="button" data-view="${value}" aria-pressed="${value === 'side'}">${label}</button>`,
  );
  return `<section id="pictures" data-view="side">
<div class="section-head"><h2>Before and after</h2><div class="switch" role="group" aria-label="How to show the pictures">${views.join('')}</div></div>
<p class="small muted error-note">Image minus high-quality target, in grey values from 0 to 1: blue is darker than the target, orange brighter, black equal. The two maps of a pair share their colour scale, which covers 99% of their pixels.</p>
${DIVERGING_FILTER}
<div class="figures">${pictures.map(figure).join('\n')}</div>
</section>`;
}
