import { encodePng, type GrayImage } from '../data/image.ts';
import type { EvaluatedImages } from '../run/evaluate.ts';

/** A pair's pictures, kept for the report. */
export interface GalleryPicture {
  readonly caption: string;
  readonly organ: string;
  readonly name: string;
  readonly low: GrayImage;
  readonly enhanced: GrayImage;
  readonly high: GrayImage;
}

/** Keeps every enhanced image as PNG, and the first few triples for the report. */
export class PictureGallery {
  readonly pictures: GalleryPicture[] = [];
  /** Enhanced images by file name, `organ/name.png`. */
  readonly files = new Map<string, Uint8Array>();
  private readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  add({ name, organ, size, low, enhanced, high }: EvaluatedImages): void {
    const image = (data: Float32Array): GrayImage => ({ width: size, height: size, data });
    this.files.set(`${organ}/${name}.png`, encodePng(image(enhanced)));
    if (this.pictures.length < this.limit) {
      this.pictures.push({
        caption: `${organ} ${name}`,
        organ,
        name,
        low: image(low),
        enhanced: image(enhanced),
        high: image(high),
      });
    }
  }
}
