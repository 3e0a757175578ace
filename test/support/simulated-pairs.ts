import type { PairSource } from '../../src/data/pairs.ts';
import { simulatePair } from '../../src/data/simulator/simulator.ts';

/** So many simulated pairs of square pictures, made when asked for. */
export function simulatedPairs(seed: number, count: number, size: number): PairSource {
  return {
    pairs: Array.from({ length: count }, (_, index) => ({
      organ: 'simulated',
      name: String(index).padStart(4, '0'),
    })),
    load: (index) => Promise.resolve(simulatePair(seed, index, { size })),
  };
}
