import { tensorFrom } from '../autograd/tensor.ts';
import { tuneConvolutions, useRecordedChoices } from '../autograd/tuning/tune.ts';
import { CheckpointError, GpuError } from '../errors.ts';
import type { ChosenVariants } from '../gpu/choices.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { PerceptualDistance } from '../nn/perceptual/perceptual-distance.ts';
import type { CheckpointContent } from '../run/checkpoint-files.ts';
import type { PerceptualFile } from '../run/perceptual-file.ts';
import type { TrainConfiguration } from './configuration.ts';

/**
 * Chooses the kernels of a run before its first step: a new run's as `gpu.tuning` says, a resumed one's as it
 * recorded them, since other kernels round otherwise.
 * @throws CheckpointError if this adapter lacks a recorded kernel
 */
export async function chooseKernels(
  gpu: Gpu,
  configuration: TrainConfiguration,
  perceptual: PerceptualFile | undefined,
  checkpoint: CheckpointContent | undefined,
  log: (line: string) => void,
): Promise<void> {
  const record = (blank: Gpu): void => recordStep(blank, configuration, perceptual);
  if (!checkpoint) {
    await tuneConvolutions(gpu, record, { log });
    return;
  }
  const chosen = recordedChoices(checkpoint);
  try {
    useRecordedChoices(gpu, record, chosen);
  } catch (error) {
    if (!(error instanceof GpuError)) throw error;
    throw new CheckpointError(`${checkpoint.folder}: ${error.message}`, { cause: error });
  }
  if (gpu.tuning.mode !== 'off') log('kernels: those that the run recorded');
}

/** A run that recorded none had the defaults. */
function recordedChoices({ folder, state }: CheckpointContent): ChosenVariants {
  const kernels: unknown = state.extra?.kernels ?? {};
  const isValid =
    typeof kernels === 'object' &&
    kernels !== null &&
    Object.values(kernels).every((name) => typeof name === 'string');
  if (isValid) return kernels as ChosenVariants;
  throw new CheckpointError(`${folder}: field extra.kernels: expected names of kernels by shape`);
}

/** What a training step and a validation ask for. */
export function recordStep(
  gpu: Gpu,
  { method: configured, batch, size }: TrainConfiguration,
  file: PerceptualFile | undefined,
): void {
  const perceptual = file && new PerceptualDistance(gpu, file.name, file.weights);
  const method = configured.create(gpu, perceptual);
  const images = new Float32Array(batch * size * size);
  gpu.scope(() => {
    const low = tensorFrom(gpu, images, [batch, 1, size, size]);
    const high = tensorFrom(gpu, images, [batch, 1, size, size]);
    const pair = { low, high, hostLow: images };
    method.trainStep(pair, { step: 0, learningRate: 0, plannedSteps: 1 });
    method.enhance(low);
  });
}
