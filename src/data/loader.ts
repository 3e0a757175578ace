/**
 * Batches of image pairs for the networks, browser-safe.
 *
 * Everything random is a pure function of (seed, epoch, pair), never of what was loaded before, so a
 * run that resumes at (epoch, batch) sees exactly the batches it would have seen.
 */
import { RandomStream } from '../autograd/philox.ts';
import { DataError, UsageError } from '../errors.ts';
import {
  centreCrop,
  cropImage,
  FIT_MODES,
  type FitMode,
  flipImage,
  randomCrop,
  resizeImage,
} from './fit.ts';
import type { GrayImage } from './image.ts';
import { cachePairs, type ImagePair, type PairSource } from './pairs.ts';

export interface Batch {
  /** Low-quality images, [N,1,S,S] contiguous, in [-1, 1]. */
  readonly low: Float32Array;
  /** High-quality images, same layout. */
  readonly high: Float32Array;
  readonly shape: readonly [number, number, number, number];
  readonly names: readonly string[];
  readonly organs: readonly string[];
  readonly epoch: number;
  /** Position of the batch in its epoch, from 0. */
  readonly index: number;
}

export interface LoaderOptions {
  /** Images a batch; the last batch of an epoch may be smaller. */
  readonly batch: number;
  /** Side of the square images, pixels. */
  readonly size: number;
  /** Default `crop`. */
  readonly fit?: FitMode;
  /** Where `crop` cuts: `random` for training, `centre` (default) for scoring. */
  readonly crops?: 'random' | 'centre';
  /** Shuffle each epoch; default false, in the order of the source. */
  readonly shuffle?: boolean;
  /** Whole number in [0, 2^53); default 0. */
  readonly seed?: number;
  /** Mirror pairs left to right with probability 1/2; default false. */
  readonly flip?: boolean;
  /** Bytes of decoded images to keep; default 512 MiB. */
  readonly cacheBytes?: number;
}

const DEFAULT_CACHE_BYTES = 512 * 2 ** 20;

function requireCount(name: string, value: number, minimum: number): void {
  if (!Number.isSafeInteger(value) || value < minimum) {
    throw new UsageError(`${name}: expected a whole number of at least ${minimum}, found ${value}`);
  }
}

/** Writes an image from [0, 1] to `target` at `offset` as 2 v - 1. */
function writeSigned(image: GrayImage, target: Float32Array, offset: number): void {
  for (let i = 0; i < image.data.length; i++) {
    target[offset + i] = 2 * (image.data[i] as number) - 1;
  }
}

/** Turns a {@link PairSource} into batches. */
export class PairLoader {
  readonly #source: PairSource;
  readonly #options: Required<Omit<LoaderOptions, 'cacheBytes'>>;

  /**
   * @throws UsageError when an option is out of range
   * @throws DataError when the source holds no pair
   */
  constructor(source: PairSource, options: LoaderOptions) {
    requireCount('batch', options.batch, 1);
    requireCount('size', options.size, 1);
    requireCount('seed', options.seed ?? 0, 0);
    requireCount('cache bytes', options.cacheBytes ?? 0, 0);
    if (options.fit !== undefined && !FIT_MODES.includes(options.fit)) {
      throw new UsageError(`fit: expected ${FIT_MODES.join(' or ')}, found ${options.fit}`);
    }
    if (source.pairs.length === 0) throw new DataError('loader: expected image pairs, found none');
    this.#source = cachePairs(source, options.cacheBytes ?? DEFAULT_CACHE_BYTES);
    this.#options = {
      batch: options.batch,
      size: options.size,
      fit: options.fit ?? 'crop',
      crops: options.crops ?? 'centre',
      shuffle: options.shuffle ?? false,
      seed: options.seed ?? 0,
      flip: options.flip ?? false,
    };
  }

  /** Number of pairs. */
  get pairCount(): number {
    return this.#source.pairs.length;
  }

  /** Batches an epoch, the smaller last one included. */
  get batchesPerEpoch(): number {
    return Math.ceil(this.pairCount / this.#options.batch);
  }

  /** The order in which an epoch visits the pairs: a function of (seed, epoch) alone. */
  order(epoch: number): number[] {
    requireCount('epoch', epoch, 0);
    const order = Array.from({ length: this.pairCount }, (_, i) => i);
    if (!this.#options.shuffle) return order;
    return new RandomStream(this.#options.seed, `order:${epoch}`).shuffle(order);
  }

  /**
   * One batch of an epoch.
   * @throws RangeError when `index` is outside the epoch
   * @throws DataError when an image cannot be read or the images of a pair differ in size
   */
  async batch(epoch: number, index: number): Promise<Batch> {
    if (!Number.isInteger(index) || index < 0 || index >= this.batchesPerEpoch) {
      throw new RangeError(`batch must be in [0, ${this.batchesPerEpoch}), found ${index}`);
    }
    const { batch, size } = this.#options;
    const members = this.order(epoch).slice(index * batch, (index + 1) * batch);
    const loaded = await Promise.all(members.map((member) => this.#source.load(member)));
    const low = new Float32Array(members.length * size * size);
    const high = new Float32Array(low.length);
    for (const [position, member] of members.entries()) {
      const fitted = this.#fit(loaded[position] as ImagePair, epoch, member);
      writeSigned(fitted.low, low, position * size * size);
      writeSigned(fitted.high, high, position * size * size);
    }
    const pairs = members.map((member) => this.#source.pairs[member]);
    return {
      low,
      high,
      shape: [members.length, 1, size, size],
      names: pairs.map((pair) => pair?.name ?? ''),
      organs: pairs.map((pair) => pair?.organ ?? ''),
      epoch,
      index,
    };
  }

  /**
   * The batches of an epoch from `first` on; the next batch is prepared while the caller works on
   * the current one.
   */
  async *epoch(epoch: number, first = 0): AsyncGenerator<Batch, void, undefined> {
    if (first >= this.batchesPerEpoch) return;
    let next = this.batch(epoch, first);
    for (let index = first; index < this.batchesPerEpoch; index++) {
      const current = await next;
      if (index + 1 < this.batchesPerEpoch) {
        next = this.batch(epoch, index + 1);
        // A failure is thrown when its batch is asked for, not as an unhandled rejection before.
        next.catch(() => undefined);
      }
      yield current;
    }
  }

  #fit(pair: ImagePair, epoch: number, member: number): ImagePair {
    const { size, fit, crops, seed, flip } = this.#options;
    const { width, height } = pair.high;
    if (pair.low.width !== width || pair.low.height !== height) {
      const { organ, name } = this.#source.pairs[member] ?? { organ: '', name: '' };
      throw new DataError(
        `${organ}/${name}: expected a low-quality image of ${width}x${height}, ` +
          `found ${pair.low.width}x${pair.low.height}`,
      );
    }
    const random = new RandomStream(seed, `crop:${epoch}:${member}`);
    let { low, high } = pair;
    if (fit === 'resize') {
      low = resizeImage(low, size, size);
      high = resizeImage(high, size, size);
    } else {
      const origin =
        crops === 'random'
          ? randomCrop(width, height, size, random)
          : centreCrop(width, height, size);
      low = cropImage(low, size, origin);
      high = cropImage(high, size, origin);
    }
    if (flip && random.uniform() < 0.5) {
      low = flipImage(low);
      high = flipImage(high);
    }
    return { low, high };
  }
}
