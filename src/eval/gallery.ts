import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writePng } from '../data/image.node.ts';
import type { GrayImage } from '../data/image.ts';
import { writeError } from '../files.ts';
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

/** Writes every enhanced image as PNG and keeps the first few triples for the report. */
export class PictureGallery {
  readonly pictures: GalleryPicture[] = [];
  private readonly folder: string;
  private readonly limit: number;

  constructor(folder: string, limit: number) {
    this.folder = folder;
    this.limit = limit;
  }

  add({ name, organ, size, low, enhanced, high }: EvaluatedImages): void {
    const image = (data: Float32Array): GrayImage => ({ width: size, height: size, data });
    const folder = join(this.folder, organ);
    try {
      mkdirSync(folder, { recursive: true });
    } catch (error) {
      throw writeError(folder, error);
    }
    writePng(join(folder, `${name}.png`), image(enhanced));
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
