/** Superpixels of training images, made once for each image. Browser-safe. */
import { UsageError } from '../errors.ts';
import { type SlicOptions, slic, slicCapacity } from './slic.ts';

/** Where label maps come from. */
export interface LabelSource {
  /** Labels of an image of this size are below it. */
  capacity(width: number, height: number): number;
  /** Labels of one image in [-1,1], row-major. */
  labels(image: Float32Array, width: number, height: number): Uint16Array;
}

/** Bytes of label maps to keep: those of two thousand images of 256×256. */
const CACHE_BYTES = 256 * 2 ** 20;

/** 64 bits of an image's content: two independent hashes of the bits of its pixels. */
function fingerprint(image: Float32Array, width: number): string {
  const bits = new Uint32Array(image.buffer, image.byteOffset, image.length);
  let first = 0x811c9dc5;
  let second = 0x9747b28c;
  for (let i = 0; i < bits.length; i++) {
    first = Math.imul(first ^ bits[i], 0x01000193);
    first ^= first >>> 15;
    second = Math.imul(second ^ bits[i], 0x85ebca6b);
    second = (second << 13) | (second >>> 19);
  }
  return `${width} ${image.length} ${first >>> 0} ${second >>> 0}`;
}

/**
 * SLIC, remembered by what an image shows: the same image at the same crop has the same labels in every epoch.
 * What comes first stays, as in the cache of decoded images; random crops hardly ever come again and are made anew.
 */
export class SlicLabels implements LabelSource {
  private readonly options: SlicOptions;
  private readonly known = new Map<string, Uint16Array>();
  private readonly budget: number;
  private bytes = 0;

  /**
   * @param budget bytes of label maps to keep
   * @throws UsageError if an option is out of range
   */
  constructor(options: SlicOptions, budget = CACHE_BYTES) {
    if (!(options.compactness >= 0 && Number.isFinite(options.compactness))) {
      throw new UsageError(
        `SLIC: expected a compactness of at least 0, found ${options.compactness}`,
      );
    }
    this.options = options;
    this.budget = budget;
  }

  /** Label maps in memory. */
  get size(): number {
    return this.known.size;
  }

  capacity(width: number, height: number): number {
    return slicCapacity(width, height, this.options.segments);
  }

  labels(image: Float32Array, width: number, height: number): Uint16Array {
    const key = fingerprint(image, width);
    const found = this.known.get(key);
    if (found) return found;
    const made = slic(
      image.map((value) => (value + 1) / 2),
      width,
      height,
      this.options,
    );
    if (this.bytes + made.byteLength <= this.budget) {
      this.known.set(key, made);
      this.bytes += made.byteLength;
    }
    return made;
  }
}
