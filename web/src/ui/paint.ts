/** Grey images on canvases. */
import { type GrayImage, imageDataFrom } from 'sonolift';

export function paint(target: HTMLCanvasElement, image: GrayImage, label: string): void {
  paintPixels(target, imageDataFrom(image), label);
}

export function paintPixels(target: HTMLCanvasElement, pixels: ImageData, label: string): void {
  target.width = pixels.width;
  target.height = pixels.height;
  target.setAttribute('aria-label', label);
  target.getContext('2d')?.putImageData(pixels, 0, 0);
}

const BLUE = [59, 130, 246];
const ORANGE = [249, 115, 22];

/**
 * The signed difference of two images of one size: black where they agree, orange where the first is
 * brighter and blue where it is darker, full colour at `scale`.
 */
export function differencePixels(image: GrayImage, other: GrayImage, scale: number): ImageData {
  const pixels = new ImageData(image.width, image.height);
  for (let i = 0; i < image.data.length; i++) {
    const share = Math.max(-1, Math.min(1, (image.data[i] - other.data[i]) / scale));
    const colour = share > 0 ? ORANGE : BLUE;
    for (let k = 0; k < 3; k++) pixels.data[4 * i + k] = Math.abs(share) * colour[k];
    pixels.data[4 * i + 3] = 255;
  }
  return pixels;
}

/** The difference that 99 % of the pixels do not exceed, at least one grey level of 8 bits. */
export function differenceScale(image: GrayImage, other: GrayImage): number {
  const sizes = image.data.map((value, i) => Math.abs(value - other.data[i])).sort();
  return Math.max(1 / 255, sizes[Math.ceil(0.99 * sizes.length) - 1] ?? 0);
}
