import { CheckpointError } from '../errors.ts';
import { proposedArchitecture } from '../methods/proposed.ts';
import { type Architecture, expectArchitecture, type LoadedCheckpoint } from '../run/checkpoint.ts';
import type { TrainConfiguration } from './configuration.ts';

/** The architecture that a configuration trains, known before any network is made. */
export function trainArchitecture(configuration: TrainConfiguration): Architecture {
  return proposedArchitecture(configuration.methodOptions);
}

/** Options that must not change on resume, or the run would not be the same. */
export function runIdentity(
  configuration: TrainConfiguration,
  pairs: number,
): Record<string, string | number | boolean> {
  const { size, fit, batch, seed, splitSeed, shuffle, flip, perceptual } = configuration;
  const { learningRate, lrEvery, lrGamma } = configuration;
  const { dropout, dropoutSite, smoothing, fakes, beta1, beta2 } = configuration.methodOptions;
  const { lambdaAdversarial, lambdaCycle, lambdaL1, lambdaPerceptual } =
    configuration.methodOptions;
  return {
    ...{ size, fit, batch, seed, splitSeed, shuffle, flip, perceptual, pairs },
    ...{ learningRate, lrEvery, lrGamma, beta1, beta2 },
    ...{ dropout, dropoutSite, smoothing, fakes },
    ...{ lambdaAdversarial, lambdaCycle, lambdaL1, lambdaPerceptual },
  };
}

/**
 * Checks that a checkpoint belongs to a run with this configuration.
 * @param pairs number of training pairs
 * @throws CheckpointError naming the first option that differs
 */
export function expectSameRun(
  { folder, state }: LoadedCheckpoint,
  configuration: TrainConfiguration,
  pairs: number,
): void {
  expectArchitecture(state, trainArchitecture(configuration), folder);
  for (const [name, value] of Object.entries(runIdentity(configuration, pairs))) {
    if (state.extra?.[name] !== value) {
      throw new CheckpointError(
        `${folder}: was trained with ${name} ${String(state.extra?.[name])}, found ${value}; resume with the same options and data`,
      );
    }
  }
}
