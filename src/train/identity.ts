import { CheckpointError } from '../errors.ts';
import type { CheckpointContent } from '../run/checkpoint-files.ts';
import { type Architecture, expectArchitecture } from '../run/checkpoint-state.ts';
import { plannedStepsOf, type ScheduleOptions, type TrainConfiguration } from './configuration.ts';

/** Fields of architectures that are younger than checkpoints without them, which have these values. */
const EARLIER_ARCHITECTURE: Readonly<Record<string, string>> = { upsample: 'transposed' };

/** The same of options. */
const EARLIER_OPTIONS: Readonly<Record<string, string | number>> = {
  enlarge: 1,
  pairing: 'aligned',
  ema: 0,
  lambdaIdentity: 0,
  precision: 'f32',
};

/** Options that must not change on resume, or the run would not be the same. */
export function runIdentity(
  configuration: TrainConfiguration,
  pairs: number,
): Record<string, string | number | boolean> {
  const { size, fit, batch, seed, splitSeed, shuffle, flip, perceptual } = configuration;
  const { learningRate, schedule, epochs, method, enlarge, pairing, ema } = configuration;
  // The architecture is compared on its own; what a run starts from does not matter any more.
  const shown = Object.entries(method.options).filter(
    ([name]) => !(name in method.architecture) && name !== 'initialiser',
  );
  return {
    ...{ size, fit, batch, seed, splitSeed, shuffle, flip, perceptual, pairs },
    ...{ learningRate, ...decayOf(schedule, epochs) },
    ...{ enlarge, pairing, ema },
    ...Object.fromEntries(shown),
    // What rises over a share of the run goes on alike only in a run of that length.
    ...(method.options.rampSteps === 0 && { plannedSteps: plannedStepsOf(configuration, pairs) }),
  };
}

/** Under a constant or stepped rate, the number of epochs may grow. */
function decayOf(schedule: ScheduleOptions, epochs: number): Record<string, number | string> {
  switch (schedule.name) {
    case 'step':
      return { lrEvery: schedule.every, lrGamma: schedule.gamma };
    case 'linear':
      return { lrDecay: schedule.decay, epochs };
    case 'constant':
      return { schedule: 'constant' };
  }
}

/**
 * Checks that a checkpoint belongs to a run with this configuration.
 * @param pairs number of training pairs
 * @throws CheckpointError naming the first option that differs
 */
export function expectSameRun(
  { folder, state }: CheckpointContent,
  configuration: TrainConfiguration,
  pairs: number,
): void {
  const expected = configuration.method.architecture;
  const earlier = Object.entries(EARLIER_ARCHITECTURE).filter(([name]) => name in expected);
  const architecture: Architecture = { ...Object.fromEntries(earlier), ...state.architecture };
  expectArchitecture({ architecture }, expected, folder);
  for (const [name, value] of Object.entries(runIdentity(configuration, pairs))) {
    const saved = state.extra?.[name] ?? EARLIER_OPTIONS[name];
    if (saved !== value) {
      throw new CheckpointError(
        `${folder}: was trained with ${name} ${String(saved)}, found ${value}; resume with the same options and data`,
      );
    }
  }
}
