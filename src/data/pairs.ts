/** What every source of image pairs offers, browser-safe: files on disk or simulated pairs. */
import type { GrayImage } from './image.ts';

/** Names one pair. `organ` is the folder it came from (or the simulated tissue). */
export interface PairName {
  readonly organ: string;
  /** File name without its ending; unique within its organ. */
  readonly name: string;
}

/** A low-quality image and the high-quality image of the same view; equal sizes. */
export interface ImagePair {
  readonly low: GrayImage;
  readonly high: GrayImage;
}

/** A finite, ordered set of pairs whose images are fetched when asked for. */
export interface PairSource {
  readonly pairs: readonly PairName[];
  /** The images of `pairs[index]`. */
  load(index: number): Promise<ImagePair>;
}

/** Order by organ, then name, by UTF-16 code unit: the same on every machine and locale. */
export function comparePairs(a: PairName, b: PairName): number {
  if (a.organ !== b.organ) return a.organ < b.organ ? -1 : 1;
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  return 0;
}

/**
 * A source that keeps decoded images in memory while they fit a byte budget. What fits first stays
 * (an epoch visits every pair once, so evicting the oldest would evict each pair just before its
 * next use).
 *
 * @param budget bytes of pixels to keep, 0 keeps none
 */
export function cachePairs(source: PairSource, budget: number): PairSource & { bytes(): number } {
  const kept = new Map<number, ImagePair>();
  let bytes = 0;
  return {
    pairs: source.pairs,
    bytes: () => bytes,
    async load(index) {
      const known = kept.get(index);
      if (known) return known;
      const pair = await source.load(index);
      const size = pair.low.data.byteLength + pair.high.data.byteLength;
      if (!kept.has(index) && bytes + size <= budget) {
        kept.set(index, pair);
        bytes += size;
      }
      return pair;
    },
  };
}

/** The pairs of `source` at the given indices, as a source of their own. */
export function selectPairs(source: PairSource, indices: readonly number[]): PairSource {
  const pick = (position: number): number => {
    const index = indices[position];
    if (index === undefined || source.pairs[index] === undefined) {
      throw new RangeError(`pair ${position} of ${indices.length} does not exist`);
    }
    return index;
  };
  return {
    pairs: indices.map((_, position) => source.pairs[pick(position)] as PairName),
    load: (position) => source.load(pick(position)),
  };
}
