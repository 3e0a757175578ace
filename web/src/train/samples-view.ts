/** The held-out pairs: low quality, enhanced, high quality. */
import { block } from '../ui/elements.ts';
import { paint } from '../ui/paint.ts';
import type { Sample } from './samples.ts';

export function showSamples(samples: readonly Sample[], step: number): void {
  block('samples').replaceChildren(...samples.map(figureOf));
  block('samples-note').textContent =
    `Low quality, enhanced by the generator of step ${step}, high quality`;
}

export function clearSamples(): void {
  block('samples').replaceChildren();
  block('samples-note').textContent = 'Low quality, enhanced, high quality';
}

function figureOf({ name, low, enhanced, high, scores, lowScores }: Sample): HTMLElement {
  const figure = document.createElement('figure');
  const triple = document.createElement('div');
  triple.className = 'triple';
  const pictures = [
    [low, 'low quality'],
    [enhanced, 'enhanced'],
    [high, 'high quality'],
  ] as const;
  for (const [image, what] of pictures) {
    const canvas = document.createElement('canvas');
    canvas.setAttribute('role', 'img');
    paint(canvas, image, `${name}, ${what}`);
    triple.append(canvas);
  }
  const caption = document.createElement('figcaption');
  caption.textContent =
    `${name}: PSNR ${lowScores.psnr.toFixed(2)} → ${scores.psnr.toFixed(2)} dB, ` +
    `SSIM ${lowScores.ssim.toFixed(3)} → ${scores.ssim.toFixed(3)}`;
  figure.append(triple, caption);
  return figure;
}
