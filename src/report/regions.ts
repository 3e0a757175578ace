/** Parts of pictures shown larger: where to look, a frame around it, the enlargement. */
import type { GrayImage } from '../data/image.ts';
import { ShapeError } from '../errors.ts';

/** A square of an image, in pixels from the top left. */
export interface Region {
  readonly x: number;
  readonly y: number;
  readonly side: number;
}

function requireInside({ width, height }: GrayImage, { x, y, side }: Region): void {
  if (!(x >= 0 && y >= 0 && side >= 1 && x + side <= width && y + side <= height)) {
    throw new ShapeError(
      `region: expected one inside ${width}x${height}, found ${side} from (${x}, ${y})`,
    );
  }
}

/**
 * The square with the largest variance of grey values: where there is most to see. Of equal ones the
 * first from the top left. From sums over the area above and to the left of each pixel, O(pixels).
 * @throws ShapeError if the image is smaller than the square
 */
export function busiestRegion(image: GrayImage, side: number): Region {
  const { width, height, data } = image;
  requireInside(image, { x: 0, y: 0, side });
  const stride = width + 1;
  const sums = new Float64Array(stride * (height + 1));
  const squares = new Float64Array(sums.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = data[y * width + x];
      const at = (y + 1) * stride + x + 1;
      sums[at] = value + sums[at - 1] + sums[at - stride] - sums[at - stride - 1];
      squares[at] = value ** 2 + squares[at - 1] + squares[at - stride] - squares[at - stride - 1];
    }
  }
  let best: Region = { x: 0, y: 0, side };
  let largest = -1;
  for (let y = 0; y + side <= height; y++) {
    for (let x = 0; x + side <= width; x++) {
      const over = (table: Float64Array): number =>
        table[(y + side) * stride + x + side] -
        table[y * stride + x + side] -
        table[(y + side) * stride + x] +
        table[y * stride + x];
      const variance = over(squares) - over(sums) ** 2 / side ** 2;
      // Rounding must not decide among equal squares.
      if (variance > largest + 1e-9) {
        largest = variance;
        best = { x, y, side };
      }
    }
  }
  return best;
}

/**
 * A region as an image of `size` pixels a side, pixel by pixel, as a frame of montages needs it.
 * @throws ShapeError if the region is not inside the image
 */
export function magnifyRegion(image: GrayImage, region: Region, size: number): GrayImage {
  requireInside(image, region);
  const data = new Float32Array(size * size);
  const source = (index: number): number => Math.floor((index * region.side) / size);
  for (let y = 0; y < size; y++) {
    const row = (region.y + source(y)) * image.width + region.x;
    for (let x = 0; x < size; x++) data[y * size + x] = image.data[row + source(x)];
  }
  return { width: size, height: size, data };
}

/**
 * A copy with a white frame, one pixel wide, along the border of a region.
 * @throws ShapeError if the region is not inside the image
 */
export function frameRegion(image: GrayImage, region: Region): GrayImage {
  requireInside(image, region);
  const data = image.data.slice();
  const last = region.side - 1;
  for (let i = 0; i <= last; i++) {
    for (const [x, y] of [
      [i, 0],
      [i, last],
      [0, i],
      [last, i],
    ]) {
      data[(region.y + y) * image.width + region.x + x] = 1;
    }
  }
  return { ...image, data };
}

/**
 * |image - target| / scale, 1 where it is larger.
 * @throws ShapeError when sizes differ
 */
export function absoluteDifference(image: GrayImage, target: GrayImage, scale: number): GrayImage {
  if (image.width !== target.width || image.height !== target.height) {
    throw new ShapeError(
      `difference: expected ${target.width}x${target.height}, found ${image.width}x${image.height}`,
    );
  }
  const data = image.data.map((value, i) => Math.min(1, Math.abs(value - target.data[i]) / scale));
  return { ...image, data };
}
