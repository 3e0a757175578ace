/** `sonolift/train`: training on pairs in memory, methods, loaders and simulated pairs. */
export * from '../data/fit.ts';
export * from '../data/loader.ts';
export * from '../data/pairs.ts';
export * from '../data/simulator/simulator.ts';
export * from '../embed/pair-trainer.ts';
export type { Batch as DeviceBatch, Method, StepContext } from '../methods/method.ts';
export {
  PROPOSED_DEFAULTS,
  ProposedMethod,
  type ProposedOptions,
} from '../methods/proposed.ts';
export * from '../nn/schedules.ts';
export { methodTensors, restoreNetworks, restoreOptimisers } from '../run/method-state.ts';
