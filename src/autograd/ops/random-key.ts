import { UsageError } from '../../errors.ts';
import type { Gpu } from '../../gpu/gpu.ts';
import type { Storage } from '../../gpu/storage.ts';

/** What a random draw on the device is a function of, besides the element. Equal keys draw the same. */
export interface RandomKey {
  /** The run's seed, a whole number in [0, 2^53). */
  readonly seed: number;
  /** The training step, a whole number in [0, 2^32). */
  readonly step: number;
  /** Which of the step's draws this is, a whole number in [0, 2^32). */
  readonly site: number;
}

const LIMITS: readonly [keyof RandomKey, number][] = [
  ['seed', 2 ** 53],
  ['step', 2 ** 32],
  ['site', 2 ** 32],
];

/**
 * The key as kernels read it: seed (low, high), step, site.
 * @throws UsageError if a part of the key is out of range
 */
export function randomKeyWords(op: string, key: RandomKey): Uint32Array {
  for (const [name, limit] of LIMITS) {
    const value = key[name];
    if (!(Number.isInteger(value) && value >= 0 && value < limit)) {
      throw new UsageError(
        `${op}: ${name} must be a whole number in [0, ${limit}), found ${value}`,
      );
    }
  }
  return Uint32Array.of(key.seed >>> 0, Math.floor(key.seed / 2 ** 32), key.step, key.site);
}

/**
 * The same on a device. A step that is replayed draws with its own number.
 * @throws UsageError if a part of the key is out of range
 */
export function uploadRandomKey(gpu: Gpu, op: string, key: RandomKey): Storage {
  return gpu.uploadEachTime((moment) =>
    randomKeyWords(op, { ...key, step: moment?.step ?? key.step }),
  );
}
