import type { AdapterProfile } from '../../kernel.ts';
import type { Correlation } from '../correlation.ts';
import { ROWS, winogradLengths, winogradTiles } from './tiles.ts';

/** Bytes that a storage binding may hold under WebGPU's default limits. */
const MAX_BINDING = 128 * 2 ** 20;

/** Whether the Winograd kernels can do a correlation at all. */
export function allowsWinograd(spec: Correlation, profile: AdapterProfile): boolean {
  const { stride, tapsX, tapsY, offsetsX, offsetsY, rows, channels } = spec;
  const { kind, subgroupSize } = profile;
  const isDense =
    stride === 1 && offsetsX.length === 1 && offsetsY.length === 1 && offsetsX[0] === offsetsY[0];
  if (kind !== 'cpu' || ![4, 8, ROWS].includes(subgroupSize)) return false;
  if (!isDense || tapsX !== 3 || tapsY !== 3 || rows % 4 !== 0 || channels % 4 !== 0) return false;
  const { weights, input, products } = winogradLengths(winogradTiles(spec, profile));
  return Math.max(weights, input, products) * 4 <= MAX_BINDING;
}
