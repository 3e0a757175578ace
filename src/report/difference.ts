import type { GrayImage } from '../data/image.ts';
import { ShapeError } from '../errors.ts';

/** Differences below this are shown as such even when nothing larger is there to scale by. */
const SMALLEST_SCALE = 1 / 255;
/** Share of pixels that the colour scale covers; the rest saturates. */
const COVERED = 0.99;

function requireSameSize(a: GrayImage, b: GrayImage): void {
  if (a.width !== b.width || a.height !== b.height) {
    throw new ShapeError(
      `report: pictures of a triple must have one size, found ${a.width}x${a.height} and ${b.width}x${b.height}`,
    );
  }
}

/**
 * The scale that two error maps share: the 99th percentile of |image - target| over both images.
 * @throws ShapeError when sizes differ
 */
export function differenceScale(images: readonly GrayImage[], target: GrayImage): number {
  const errors: number[] = [];
  for (const image of images) {
    requireSameSize(image, target);
    image.data.forEach((value, i) => {
      errors.push(Math.abs(value - (target.data[i] as number)));
    });
  }
  errors.sort((p, q) => p - q);
  const covered = errors[Math.ceil(COVERED * errors.length) - 1] ?? 0;
  return Math.max(covered, SMALLEST_SCALE);
}

/**
 * A signed error map as a grey image: 0.5 where image and target agree, 0 where the image is
 * darker by `scale` or more, 1 where it is brighter by as much. The report colours it.
 * @throws ShapeError when sizes differ
 */
export function differenceImage(image: GrayImage, target: GrayImage, scale: number): GrayImage {
  requireSameSize(image, target);
  const data = image.data.map((value, i) =>
    Math.min(1, Math.max(0, 0.5 + (value - (target.data[i] as number)) / (2 * scale))),
  );
  return { width: image.width, height: image.height, data };
}

/** Mean absolute difference of two images. */
export function meanAbsoluteDifference(a: GrayImage, b: GrayImage): number {
  requireSameSize(a, b);
  let sum = 0;
  a.data.forEach((value, i) => {
    sum += Math.abs(value - (b.data[i] as number));
  });
  return sum / a.data.length;
}
