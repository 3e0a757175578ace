import type { AdapterProfile } from '../../kernel.ts';
import type { Correlation } from '../correlation-spec.ts';
import type { ConvGeometry } from '../geometry.ts';
import { filteringOf } from './filterings.ts';
import { parityTiles, phaseTiles } from './halving.ts';
import { type WinogradTiles, winogradTiles } from './tiles.ts';

/**
 * How a correlation is filtered minimally: as it stands (`dense`, 3×3 or 4×4 taps at stride 1), as a
 * convolution of 4×4 taps at stride 2 (`phases`), or as the data gradient of one (`parities`).
 */
export type FilteringKind = 'dense' | 'phases' | 'parities';

/** Taps a side of a convolution's kernel; 0, which nothing can filter, if its sides differ. */
export function squareKernel({
  kernelHeight,
  kernelWidth,
}: Pick<ConvGeometry, 'kernelHeight' | 'kernelWidth'>): number {
  return kernelHeight === kernelWidth ? kernelHeight : 0;
}

/** @param kernel taps a side of the convolution whose pass `spec` is */
export function filteringKind(spec: Correlation, kernel: number): FilteringKind | undefined {
  const { stride, tapsX, tapsY, offsetsX, offsetsY } = spec;
  if (tapsX !== tapsY || offsetsX.join() !== offsetsY.join()) return undefined;
  if (offsetsX.length === 2) return stride === 1 && kernel === 4 ? 'parities' : undefined;
  if (offsetsX.length !== 1) return undefined;
  if (stride === 2 && tapsX === 4) return 'phases';
  return stride === 1 && filteringOf(tapsX) ? 'dense' : undefined;
}

/** The tiles of a correlation that is filtered so. */
export function tilesOfKind(
  spec: Correlation,
  kind: FilteringKind,
  profile: AdapterProfile,
  chunkBytes?: number,
): WinogradTiles {
  const tiles = { dense: winogradTiles, phases: phaseTiles, parities: parityTiles }[kind];
  return tiles(spec, profile, chunkBytes);
}
