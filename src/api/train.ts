/** `sonolift/train`: training on pairs in memory, methods, loaders, checkpoints and simulated pairs. */
export * from '../data/check-pairs.ts';
export * from '../data/fit.ts';
export * from '../data/loader.ts';
export * from '../data/pairs.ts';
export * from '../data/simulator/simulator.ts';
export { TISSUES, type Tissue } from '../data/simulator/tissues.ts';
export * from '../data/split.ts';
export * from '../embed/pair-trainer.ts';
export { checkPrecision } from '../methods/check-precision.ts';
export type { Batch as DeviceBatch, Method, StepContext } from '../methods/method.ts';
export { findMethod, METHOD_NAMES } from '../methods/methods.ts';
export { PRECISIONS, type Precision } from '../methods/precision.ts';
export {
  PROPOSED_DEFAULTS,
  ProposedMethod,
  type ProposedOptions,
} from '../methods/proposed.ts';
export { MOST_STEPS_AT_ONCE } from '../methods/step-log.ts';
export * from '../nn/schedules.ts';
export {
  type CheckpointContent,
  checkpointFiles,
  type ReadFile,
  readCheckpointFiles,
  STATE_FILE,
  stepFolderName,
} from '../run/checkpoint-files.ts';
export type { TrainingState } from '../run/checkpoint-state.ts';
export { methodTensors, restoreNetworks, restoreOptimisers } from '../run/method-state.ts';
export type { OptionSpec, OptionValues } from '../run/option-values.ts';
export { checkPool } from '../train/check-pool.ts';
export type { TrainConfiguration } from '../train/configuration.ts';
export { TRAIN_OPTIONS } from '../train/options.ts';
export {
  configureTraining,
  type RunStep,
  TrainingRun,
  type TrainingRunInput,
} from '../train/training-run.ts';
