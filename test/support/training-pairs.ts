/** A tiny training run on pairs in memory, the same in Node and in a page. Browser-safe. */
import { simulatePair } from '../../src/data/simulator/simulator.ts';
import type { PairTrainerOptions, TrainingPair } from '../../src/embed/pair-trainer.ts';

export const TRAINER_OPTIONS: PairTrainerOptions = {
  size: 32,
  batch: 2,
  seed: 4,
  method: { ngf: 4, ndf: 4, levels: 5 },
};

export function trainingPairs(count = 6, size = 32): TrainingPair[] {
  return Array.from({ length: count }, (_, index) => simulatePair(2, index, { size }));
}
