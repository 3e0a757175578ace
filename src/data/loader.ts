/**
 * Batches of image pairs for the networks, browser-safe.
 *
 * Everything random is a pure function of (seed, epoch, pair), never of what was loaded before, so a
 * run that resumes at (epoch, batch) sees exactly the batches it would have seen.
 */
import { RandomStream } from '../autograd/philox.ts';
import { DataError, UsageError } from '../errors.ts';
import {
  type CropOrigin,
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

export const PAIRINGS = ['aligned', 'unaligned'] as const;
export type Pairing = (typeof PAIRINGS)[number];

export interface Batch {
  /** Low-quality images, [N,1,S,S] contiguous, in [-1, 1]. */
  readonly low: Float32Array;
  /** High-quality images, same layout. */
  readonly high: Float32Array;
  readonly shape: readonly [number, number, number, number];
  readonly names: readonly string[];
  readonly organs: readonly string[];
  /** Whose the high-quality images are, where they are not partners of the low ones. */
  readonly highPairs?: readonly { readonly organ: string; readonly name: string }[];
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
  /**
   * With random crops, magnifies images by this before cutting; default 1. pix2pix and CycleGAN resize
   * to 286 and cut 256.
   */
  readonly enlarge?: number;
  /**
   * `unaligned`: each high-quality image is drawn from all pairs, with a crop and mirroring of its own;
   * default `aligned`.
   */
  readonly pairing?: Pairing;
  /** Bytes of decoded images to keep; default 512 MiB. */
  readonly cacheBytes?: number;
}

/** What is cut from an image, after magnifying it to a size. */
interface Place {
  readonly width: number;
  readonly height: number;
  readonly origin: CropOrigin;
  readonly flip: boolean;
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
    if (!((options.enlarge ?? 1) >= 1 && Number.isFinite(options.enlarge ?? 1))) {
      throw new UsageError(`enlarge: expected a factor of at least 1, found ${options.enlarge}`);
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
      enlarge: options.enlarge ?? 1,
      pairing: options.pairing ?? 'aligned',
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
    const partners = this.#partners(members, epoch);
    const others =
      partners && (await Promise.all(partners.map((member) => this.#source.load(member))));
    const low = new Float32Array(members.length * size * size);
    const high = new Float32Array(low.length);
    for (const [position, member] of members.entries()) {
      const fitted = this.#fit(loaded[position] as ImagePair, epoch, member);
      const other = others?.[position];
      writeSigned(fitted.low, low, position * size * size);
      writeSigned(
        other ? this.#fitAlone(other.high, epoch, member) : fitted.high,
        high,
        position * size * size,
      );
    }
    const pairs = members.map((member) => this.#source.pairs[member]);
    return {
      low,
      high,
      shape: [members.length, 1, size, size],
      names: pairs.map((pair) => pair?.name ?? ''),
      organs: pairs.map((pair) => pair?.organ ?? ''),
      ...(partners && {
        highPairs: partners.map((member) => this.#source.pairs[member] ?? { organ: '', name: '' }),
      }),
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
    const { seed } = this.#options;
    const { width, height } = pair.high;
    if (pair.low.width !== width || pair.low.height !== height) {
      const { organ, name } = this.#source.pairs[member] ?? { organ: '', name: '' };
      throw new DataError(
        `${organ}/${name}: expected a low-quality image of ${width}x${height}, ` +
          `found ${pair.low.width}x${pair.low.height}`,
      );
    }
    const place = this.#place(width, height, new RandomStream(seed, `crop:${epoch}:${member}`));
    return { low: this.#cut(pair.low, place), high: this.#cut(pair.high, place) };
  }

  /** Pairs whose high-quality images go with these low ones; undefined where they go with their own. */
  #partners(members: readonly number[], epoch: number): number[] | undefined {
    const { pairing, seed } = this.#options;
    if (pairing === 'aligned') return undefined;
    return members.map((member) =>
      new RandomStream(seed, `partner:${epoch}:${member}`).integer(this.pairCount),
    );
  }

  /** A high-quality image with a crop of its own, beside the low one of `member`. */
  #fitAlone(high: GrayImage, epoch: number, member: number): GrayImage {
    const random = new RandomStream(this.#options.seed, `crop-high:${epoch}:${member}`);
    return this.#cut(high, this.#place(high.width, high.height, random));
  }

  #place(width: number, height: number, random: RandomStream): Place {
    const { size, fit, crops, flip, enlarge } = this.#options;
    const grow = crops === 'random' ? enlarge : 1;
    const place = {
      width: Math.round((fit === 'resize' ? size : width) * grow),
      height: Math.round((fit === 'resize' ? size : height) * grow),
    };
    const origin =
      crops === 'random'
        ? randomCrop(place.width, place.height, size, random)
        : centreCrop(place.width, place.height, size);
    return { ...place, origin, flip: flip && random.uniform() < 0.5 };
  }

  #cut(image: GrayImage, { width, height, origin, flip }: Place): GrayImage {
    const cut = cropImage(resizeImage(image, width, height), this.#options.size, origin);
    return flip ? flipImage(cut) : cut;
  }
}
