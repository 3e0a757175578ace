import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Gpu } from '../gpu/gpu.ts';
import type { Enhancer } from '../methods/method.ts';
import {
  type Architecture,
  type LoadedCheckpoint,
  loadCheckpoint,
  stepFolderName,
} from './checkpoint.ts';
import { ENHANCER_FILE, enhancerFrom, generatorPlan, type TensorMap } from './method-state.ts';

/** What a checkpoint holds of a trained generator, on the host. */
export interface ModelFile {
  /** The checkpoint folder it came from. */
  readonly folder: string;
  readonly step: number;
  readonly architecture: Architecture;
  /** What the run recorded beside its networks (size, fit, seed …). */
  readonly extra: Readonly<Record<string, unknown>>;
  /** Sides of an image must be multiples of this. */
  readonly sizeMultiple: number;
  readonly tensors: TensorMap;
  /** Why newer checkpoints of the run were passed over, one line each; tell the user. */
  readonly skipped: readonly string[];
}

/** A trained generator, ready to enhance. */
export interface LoadedModel extends Omit<ModelFile, 'tensors'> {
  readonly method: Enhancer;
}

/** Which checkpoint of a run folder: `best` on validation, or `latest`. */
export type ModelChoice = 'best' | 'latest';

/**
 * The checkpoint that a path and a choice name: a checkpoint folder is itself; of a run folder
 * `latest` is the newest, `best` the one selected on validation (the newest if none was).
 */
async function chooseCheckpoint(path: string, select: ModelChoice): Promise<LoadedCheckpoint> {
  const newest = await loadCheckpoint(path, { only: [ENHANCER_FILE] });
  const best = Object.values(newest.state.best)[0]?.step;
  const isRun = existsSync(join(path, 'checkpoints'));
  if (!isRun || select === 'latest' || best === undefined || best === newest.state.step) {
    return newest;
  }
  const folder = join(path, 'checkpoints', stepFolderName(best));
  const chosen = await loadCheckpoint(folder, { only: [ENHANCER_FILE] });
  return { ...chosen, skipped: newest.skipped };
}

/**
 * Reads the enhancing generator of a checkpoint folder or run folder, without a device.
 * @throws CheckpointError if it is missing, damaged or of an unknown method
 */
export async function readModel(path: string, select: ModelChoice = 'best'): Promise<ModelFile> {
  const { folder, state, files, skipped } = await chooseCheckpoint(path, select);
  const { architecture, step, extra = {} } = state;
  const { sizeMultiple } = generatorPlan(architecture, folder);
  return {
    folder,
    step,
    architecture,
    extra,
    sizeMultiple,
    tensors: files[ENHANCER_FILE],
    skipped,
  };
}

/**
 * Puts a generator that was read on a device.
 * @throws CheckpointError naming the first tensor that is missing or of another shape
 */
export function openModel(gpu: Gpu, file: ModelFile): LoadedModel {
  const { tensors, ...rest } = file;
  return { ...rest, method: enhancerFrom(gpu, file.architecture, tensors, file.folder) };
}

/** {@link readModel}, then {@link openModel}. */
export async function loadModel(
  gpu: Gpu,
  path: string,
  select: ModelChoice = 'best',
): Promise<LoadedModel> {
  return openModel(gpu, await readModel(path, select));
}
