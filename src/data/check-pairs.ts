/** Finds what is wrong with image pairs before anything is computed from them, browser-safe. */
import { DataError } from '../errors.ts';
import type { FitMode } from './fit.ts';
import type { PairSource } from './pairs.ts';

/**
 * Decodes every image of a source once, so that a damaged one is found at once and not hours later.
 *
 * @param options.report told in one line if images are smaller than `size`, which `crop` continues by
 *   reflection
 * @throws DataError naming the image that cannot be read, or the pair whose sizes differ
 */
export async function checkPairs(
  source: PairSource,
  options: {
    readonly size: number;
    readonly fit: FitMode;
    readonly report: (line: string) => void;
  },
): Promise<void> {
  const { size, fit, report } = options;
  let small = 0;
  let first = '';
  for (const [index, { organ, name }] of source.pairs.entries()) {
    const { low, high } = await source.load(index);
    if (low.width !== high.width || low.height !== high.height) {
      throw new DataError(
        `${organ}/${name}: expected a low-quality image of ${high.width}x${high.height}, found ${low.width}x${low.height}`,
      );
    }
    if (fit === 'crop' && (high.width < size || high.height < size)) {
      first ||= `${organ}/${name}, ${high.width}x${high.height}`;
      small++;
    }
  }
  if (small > 0) {
    report(
      `${small} of ${source.pairs.length} pairs are smaller than ${size}x${size} and are continued by reflection (first: ${first})`,
    );
  }
}
