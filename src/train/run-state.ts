/** A training run's state as its checkpoints hold it, the same for the program and for pages. Browser-safe. */
import type { Gpu } from '../gpu/gpu.ts';
import type { Method } from '../methods/method.ts';
import type { CheckpointContent } from '../run/checkpoint-files.ts';
import type { TrainingState } from '../run/checkpoint-state.ts';
import {
  optimiserScalars,
  restoreNetworks,
  restoreOptimisers,
  restorePools,
  restoreScalers,
} from '../run/method-state.ts';
import type { RecordedSplit } from '../run/recorded-split.ts';
import type { TrainConfiguration } from './configuration.ts';
import { runIdentity } from './identity.ts';
import type { Best } from './selection.ts';

/** Where a run stands. */
export interface Position {
  step: number;
  epoch: number;
  /** Next batch within the epoch. */
  batchIndex: number;
}

/**
 * What a checkpoint says of a run beside its tensors.
 * @param pairs number of training pairs
 * @param split names of the pairs of each set
 * @param scalers the loss scales (`readScalers`)
 */
export function trainingState(
  gpu: Gpu,
  method: Method,
  configuration: TrainConfiguration,
  position: Position,
  best: Best,
  pairs: number,
  split: RecordedSplit,
  scalers: Readonly<Record<string, unknown>>,
): TrainingState {
  return {
    ...position,
    architecture: configuration.method.architecture,
    // Random numbers are functions of (seed, step): the step is all their state.
    rng: { seed: configuration.seed },
    optimizers: { ...optimiserScalars(method), ...scalers },
    best: { ...best },
    extra: {
      ...runIdentity(configuration, pairs),
      split: { ...split },
      kernels: gpu.choices.toJSON(),
    },
  };
}

/**
 * Puts a checkpoint of the same run (`expectSameRun`) into a method.
 * @throws CheckpointError naming the first tensor or state that is missing or does not fit
 */
export function restoreMethod(method: Method, { folder, state, files }: CheckpointContent): void {
  restoreNetworks(method, files, folder);
  restoreOptimisers(method, files, state.optimizers, folder);
  restoreScalers(method, state.optimizers, folder);
  restorePools(method, files, folder);
}
