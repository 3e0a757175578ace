/**
 * Enhances a picture that a visitor chooses, in a worker.
 *
 *     npx vite examples/05-page
 *
 * What worker.ts does may as well stand here: it works on the page's own thread too.
 */
import { imageDataFrom } from 'sonolift';
import type { Answer } from './worker.ts';

const file = document.createElement('input');
const status = document.createElement('p');
const before = document.createElement('canvas');
const after = document.createElement('canvas');
file.type = 'file';
file.accept = 'image/*';
file.ariaLabel = 'An ultrasound image';
document.body.append(file, status, before, after);

const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });

file.addEventListener('change', async () => {
  const [chosen] = file.files ?? [];
  if (!chosen) return;
  try {
    const picture = await createImageBitmap(chosen);
    status.textContent = 'Enhancing …';
    worker.postMessage(picture, [picture]);
  } catch {
    status.textContent = `${chosen.name} is no image that this browser reads.`;
  }
});

worker.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
  if ('error' in data) {
    status.textContent = data.error;
    return;
  }
  show(before, imageDataFrom(data.input));
  show(after, imageDataFrom(data.enhanced));
  status.textContent = `Enhanced on ${data.adapter}`;
});

function show(canvas: HTMLCanvasElement, image: ImageData): void {
  [canvas.width, canvas.height] = [image.width, image.height];
  canvas.getContext('2d')?.putImageData(image, 0, 0);
}
