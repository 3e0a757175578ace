/** Whatever a page has as an image, as a grey image. */
import { checkImageSize, type GrayImage, grayFromRgba } from '../data/image.ts';
import { DataError } from '../errors.ts';

/** Samples with a size: floats in [0,1], one a pixel; or bytes, one (grey) or four (RGBA) a pixel. */
export interface Samples {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array | Uint8Array | Uint8ClampedArray;
}

/** An `ImageData`, samples of one's own, or anything that a 2D canvas can draw. */
export type ImageInput = Samples | ImageData | Exclude<CanvasImageSource, SVGImageElement>;

/**
 * A grey image in [0,1]. Colour becomes luma and transparency is laid over black, as when image files
 * are read (`grayFromRgba`).
 * @throws DataError if the size is impossible, samples are missing or not in range, or a picture
 *   cannot be read (not loaded yet, or of another origin)
 */
export function grayFrom(input: ImageInput): GrayImage {
  return isSamples(input) ? grayFromSamples(input) : grayFromDrawable(input);
}

function isSamples(input: ImageInput): input is Samples {
  return 'data' in input && ArrayBuffer.isView(input.data);
}

function grayFromSamples({ width, height, data }: Samples): GrayImage {
  checkImageSize(width, height, 'image');
  const pixels = width * height;
  if (data instanceof Float32Array) {
    if (data.length !== pixels) {
      throw new DataError(
        `image: expected ${pixels} floats for ${width}x${height}, found ${data.length}`,
      );
    }
    const bad = data.findIndex((value) => !(value >= 0 && value <= 1));
    if (bad >= 0) {
      throw new DataError(`image: expected values in [0, 1], found ${data[bad]} at ${bad}`);
    }
    return { width, height, data };
  }
  // Floats of another width would pass for bytes, and be black.
  if (data.BYTES_PER_ELEMENT !== 1) {
    throw new DataError(`image: expected a Float32Array or bytes, found ${data.constructor.name}`);
  }
  if (data.length === pixels) {
    return { width, height, data: Float32Array.from(data, (value) => value / 255) };
  }
  return grayFromRgba(width, height, data).image;
}

function grayFromDrawable(source: Exclude<ImageInput, Samples | ImageData>): GrayImage {
  const [width, height] = sizeOf(source);
  checkImageSize(width, height, 'image');
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (!context) throw new DataError('image: this browser gives no 2D canvas to read it with');
  try {
    context.drawImage(source, 0, 0, width, height);
    return grayFromSamples(context.getImageData(0, 0, width, height));
  } catch (cause) {
    throw new DataError(`image: its pixels cannot be read: ${String(cause)}`, { cause });
  }
}

/** The size in pixels of the picture itself, not of its place on the page. */
function sizeOf(source: Exclude<ImageInput, Samples | ImageData>): [number, number] {
  if ('naturalWidth' in source) return [source.naturalWidth, source.naturalHeight];
  if ('videoWidth' in source) return [source.videoWidth, source.videoHeight];
  if ('displayWidth' in source) return [source.displayWidth, source.displayHeight];
  return [source.width, source.height];
}

/** The `ImageData` of a grey image, for a canvas: `context.putImageData(imageDataFrom(image), 0, 0)`. */
export function imageDataFrom({ width, height, data }: GrayImage): ImageData {
  const result = new ImageData(width, height);
  for (let i = 0; i < data.length; i++) {
    // A clamped array rounds and limits.
    result.data.fill(255 * data[i], 4 * i, 4 * i + 3);
    result.data[4 * i + 3] = 255;
  }
  return result;
}
