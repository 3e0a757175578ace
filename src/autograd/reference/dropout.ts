import { keepThreshold } from '../../../kernels/dropout.ts';
import type { DropoutKey } from '../ops/dropout.ts';
import { philox4x32 } from '../philox.ts';
import { type HostArray, hostArray } from '../registry/row.ts';

/** x times the mask: 1/(1-p) where the element's random word is below the threshold, else 0. */
export function dropoutReference(x: HostArray, probability: number, key: DropoutKey): HostArray {
  const y = hostArray(x.shape);
  const seed = [key.seed >>> 0, Math.floor(key.seed / 2 ** 32)] as const;
  x.data.forEach((value, e) => {
    const word = philox4x32([Math.floor(e / 4), key.site, key.step, 0], seed)[e % 4];
    y.data[e] = word < keepThreshold(probability) ? value / (1 - probability) : 0;
  });
  return y;
}
