import { tensorFrom } from '../autograd/tensor.ts';
import type { GrayImage } from '../data/image.ts';
import { NumericalError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Enhancer } from '../methods/method.ts';

export interface EnhanceOptions {
  /**
   * Side of square tiles in pixels; 0 (default) takes the image whole. Tiles need less memory, but
   * instance norm then sees each tile's statistics instead of the image's.
   */
  readonly tile?: number;
  /** Pixels that neighbouring tiles share and blend over; default an eighth of the tile. */
  readonly overlap?: number;
  /** Called when a tile is done, with the number of tiles done and of all (1 for a whole image). */
  readonly onProgress?: (done: number, total: number) => void;
  /** Looked at before each tile; what it was aborted with is thrown. */
  readonly signal?: AbortSignal;
}

/**
 * Lifts one image of any size: it is padded by reflection to what the network's halvings need, and
 * the result cropped back.
 * @returns the enhanced image in [0,1]
 * @throws NumericalError if it is not finite; whatever `signal` was aborted with
 */
export async function enhanceImage(
  gpu: Gpu,
  method: Enhancer,
  image: GrayImage,
  options: EnhanceOptions = {},
): Promise<GrayImage> {
  const tile = options.tile ?? 0;
  if (isWhole(image, tile)) {
    options.signal?.throwIfAborted();
    const whole = await enhanceWhole(gpu, method, image);
    options.onProgress?.(1, 1);
    return whole;
  }
  const overlap = Math.min(options.overlap ?? Math.ceil(tile / 8), tile >> 1);
  const sum = new Float64Array(image.width * image.height);
  const weight = new Float64Array(sum.length);
  const rows = tileStarts(image.height, tile, overlap);
  const columns = tileStarts(image.width, tile, overlap);
  let done = 0;
  for (const y of rows) {
    for (const x of columns) {
      options.signal?.throwIfAborted();
      const width = Math.min(tile, image.width - x);
      const height = Math.min(tile, image.height - y);
      const part = await enhanceWhole(gpu, method, cut(image, x, y, width, height));
      for (let row = 0; row < height; row++) {
        for (let column = 0; column < width; column++) {
          const share = ramp(column, width, overlap) * ramp(row, height, overlap);
          const index = (y + row) * image.width + x + column;
          sum[index] += share * part.data[row * width + column];
          weight[index] += share;
        }
      }
      options.onProgress?.(++done, rows.length * columns.length);
    }
  }
  const data = Float32Array.from(sum, (value, index) => value / weight[index]);
  return { width: image.width, height: image.height, data };
}

async function enhanceWhole(gpu: Gpu, method: Enhancer, image: GrayImage): Promise<GrayImage> {
  const { width, height } = image;
  const padded = paddedSize(image, method.sizeMultiple);
  const { width: paddedWidth, height: paddedHeight } = padded;
  const input = new Float32Array(paddedWidth * paddedHeight);
  for (let y = 0; y < paddedHeight; y++) {
    const sourceRow = reflect(y, height) * width;
    for (let x = 0; x < paddedWidth; x++) {
      input[y * paddedWidth + x] = 2 * image.data[sourceRow + reflect(x, width)] - 1;
    }
  }
  const output = gpu.scope(() =>
    method.enhance(tensorFrom(gpu, input, [1, 1, paddedHeight, paddedWidth])),
  );
  const values = await output.read().finally(() => output.dispose());
  requireFinite(values);
  const data = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = (values[y * paddedWidth + x] + 1) / 2;
      data[y * width + x] = Math.min(1, Math.max(0, value));
    }
  }
  return { width, height, data };
}

/**
 * Beyond the range of what activations are stored as, they are no numbers, and so is what comes of them.
 * @throws NumericalError if an enhanced image holds NaN or infinity
 */
export function requireFinite(values: Float32Array): void {
  if (values.every(Number.isFinite)) return;
  throw new NumericalError('the enhanced image is not finite: try precision f32');
}

/** Mirrors an index beyond the end back inside, without repeating the edge. */
function reflect(index: number, length: number): number {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const position = index % period;
  return position < length ? position : period - position;
}

/** Sides that a network's halvings can take. */
export function paddedSize(
  { width, height }: { readonly width: number; readonly height: number },
  multiple: number,
): { readonly width: number; readonly height: number } {
  return { width: roundUp(width, multiple), height: roundUp(height, multiple) };
}

/** The size that an image is enhanced in: its own, or a tile's. */
export function enhancedSize(
  { width, height }: { readonly width: number; readonly height: number },
  tile = 0,
): { readonly width: number; readonly height: number } {
  if (isWhole({ width, height }, tile)) return { width, height };
  return { width: Math.min(tile, width), height: Math.min(tile, height) };
}

function isWhole(
  { width, height }: { readonly width: number; readonly height: number },
  tile: number,
): boolean {
  return tile <= 0 || (width <= tile && height <= tile);
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

function tileStarts(length: number, tile: number, overlap: number): number[] {
  const starts: number[] = [];
  const stride = tile - overlap;
  for (let start = 0; ; start += stride) {
    if (start + tile >= length) {
      starts.push(Math.max(0, length - tile));
      return starts;
    }
    starts.push(start);
  }
}

/** Weight of a pixel within its tile: rising over the overlap, never zero. */
function ramp(index: number, length: number, overlap: number): number {
  const edge = Math.min(index, length - 1 - index) + 1;
  return Math.min(1, edge / (overlap + 1));
}

function cut(image: GrayImage, x: number, y: number, width: number, height: number): GrayImage {
  const data = new Float32Array(width * height);
  for (let row = 0; row < height; row++) {
    const start = (y + row) * image.width + x;
    data.set(image.data.subarray(start, start + width), row * width);
  }
  return { width, height, data };
}
