/** Noise and sure pixels in double precision. */
import type { RandomKey } from '../ops/random-key.ts';
import { philox4x32 } from '../philox.ts';
import { type HostArray, hostArray } from '../registry/row.ts';
import { normalDistribution } from './transformer.ts';

/** Φ⁻¹(probability) by Newton's method on Φ, from the nearer tail. */
export function normalQuantile(probability: number): number {
  const isUpper = probability > 0.5;
  const target = isUpper ? 1 - probability : probability;
  let x = target > 0.02 ? 0 : -Math.sqrt(-2 * Math.log(target));
  for (let i = 0; i < 60; i++) {
    const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
    const step = (normalDistribution(x) - target) / density;
    // Newton's step overshoots in the tails.
    x -= Math.max(-1, Math.min(1, step));
    if (Math.abs(step) < 1e-14) break;
  }
  return isUpper ? -x : x;
}

/** x + deviation·Φ⁻¹((w + ½)/2³²), w from Philox. */
export function addNoiseReference(x: HostArray, deviation: number, key: RandomKey): HostArray {
  const y = hostArray(x.shape);
  const seed = [key.seed >>> 0, Math.floor(key.seed / 2 ** 32)] as const;
  x.data.forEach((value, e) => {
    const words = philox4x32([Math.floor(e / 4), key.site, key.step, 2], seed);
    y.data[e] = value + deviation * normalQuantile((words[e % 4] + 0.5) / 2 ** 32);
  });
  return y;
}

/** Equal weights for the elements of each image below its interpolated quantile. */
export function certaintyReference(variance: HostArray, quantile: number): HostArray {
  const y = hostArray(variance.shape);
  const pixels = variance.data.length / variance.shape[0];
  for (let start = 0; start < variance.data.length; start += pixels) {
    const values = variance.data.subarray(start, start + pixels);
    if (values.some(Number.isNaN)) {
      y.data.fill(Number.NaN, start, start + pixels);
      continue;
    }
    const sorted = values.slice().sort();
    const position = quantile * (pixels - 1);
    const rank = Math.floor(position);
    const next = sorted[Math.min(rank + 1, pixels - 1)];
    const limit = sorted[rank] + (position - rank) * (next - sorted[rank]);
    const kept = values.reduce((count, value) => count + (value < limit ? 1 : 0), 0);
    values.forEach((value, i) => {
      y.data[start + i] = value < limit ? 1 / kept : 0;
    });
  }
  return y;
}
