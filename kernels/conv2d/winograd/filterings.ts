import type { Filtering } from './filtering.ts';
import { FOUR_TAPS } from './paired-points.ts';
import { THREE_TAPS } from './three-taps.ts';

/** The minimal filtering of stride-1 correlations with so many taps, if there is one. */
export function filteringOf(taps: number): Filtering | undefined {
  return [THREE_TAPS, FOUR_TAPS].find((filtering) => filtering.taps === taps);
}

/** @throws RangeError if there is none */
export function requireFiltering(taps: number): Filtering {
  const filtering = filteringOf(taps);
  if (!filtering) throw new RangeError(`no minimal filtering for ${taps} taps`);
  return filtering;
}
