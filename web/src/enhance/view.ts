/** What the enhance tab shows: two images under a slider, one of them, or their difference. */
import type { GrayImage } from 'sonolift';
import { block, canvas, input, radioGroup } from '../ui/elements.ts';
import { differencePixels, differenceScale, paint, paintPixels } from '../ui/paint.ts';

export interface Pictures {
  readonly image?: GrayImage | undefined;
  readonly enhanced?: GrayImage | undefined;
  readonly reference?: GrayImage | undefined;
}

export class ResultView {
  private pictures: Pictures = {};
  private readonly viewer = block('viewer');
  private readonly stage = block('stage');
  private readonly under = canvas('canvas-under');
  private readonly over = canvas('canvas-over');
  private readonly slider = input('slider');
  private readonly note = block('view-note');
  private readonly views = radioGroup(block('view'), 'view', () => this.draw());

  constructor() {
    this.slider.addEventListener('input', () => this.moveDivider());
    this.stage.addEventListener('pointerdown', (event) => this.drag(event));
    this.stage.addEventListener('pointermove', (event) => {
      if (event.buttons) this.drag(event);
    });
    this.moveDivider();
    this.draw();
  }

  show(pictures: Pictures): void {
    this.pictures = pictures;
    this.draw();
  }

  private drag({ clientX }: PointerEvent): void {
    const { left, width } = this.stage.getBoundingClientRect();
    const share = Math.max(0, Math.min(1, (clientX - left) / width));
    this.slider.value = String(Math.round(100 * share));
    this.moveDivider();
  }

  private moveDivider(): void {
    this.stage.style.setProperty('--split', `${this.slider.value}%`);
  }

  private draw(): void {
    const { image, enhanced, reference } = this.pictures;
    if (image) this.viewer.style.setProperty('--ratio', String(image.width / image.height));
    this.stage.classList.toggle('empty', !image);
    block('placeholder').hidden = image !== undefined;
    this.under.hidden = !image;
    const view = this.views.value();
    const compares = view === 'compare' && image !== undefined && enhanced !== undefined;
    for (const id of ['divider', 'slider-row']) block(id).hidden = !compares;
    this.stage.classList.toggle('compares', compares);
    this.over.hidden = !compares;
    this.note.textContent = '';
    if (compares) {
      paint(this.under, image, 'Before enhancement');
      paint(this.over, enhanced, 'After enhancement');
      return;
    }
    if (view === 'difference' && image && enhanced) {
      const target = reference ?? image;
      const scale = differenceScale(enhanced, target);
      const what = reference ? 'reference' : 'image before';
      paintPixels(
        this.under,
        differencePixels(enhanced, target, scale),
        `Enhanced image minus ${what}`,
      );
      this.note.textContent =
        `Enhanced minus ${what}: orange is brighter, blue darker, full colour at ` +
        `${(255 * scale).toFixed(0)} of 255 grey levels.`;
      return;
    }
    const wanted = { input: image, enhanced, reference }[view] ?? undefined;
    if (wanted) {
      const name =
        view === 'input'
          ? 'Before enhancement'
          : view === 'enhanced'
            ? 'After enhancement'
            : 'Reference';
      paint(this.under, wanted, name);
      return;
    }
    if (image) paint(this.under, image, 'Before enhancement');
    this.note.textContent = this.missing(view);
  }

  private missing(view: string): string {
    if (!this.pictures.image) return '';
    if (view === 'reference') return 'No reference was chosen: this is the image before.';
    return view === 'input' || view === 'compare'
      ? ''
      : 'Not enhanced yet: this is the image before.';
  }
}
