import { dirname, join, resolve } from 'node:path';
import type { ElementType } from '../../kernels/element-types.ts';
import { CheckpointError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Enhancer } from '../methods/method.ts';
import { findMethod } from '../methods/methods.ts';
import {
  type Architecture,
  type LoadedCheckpoint,
  loadCheckpoint,
  stepFolderName,
} from './checkpoint.ts';
import { enhancerFrom, generatorPlan } from './enhancer.ts';
import { AVERAGE_FILE, ENHANCER_FILE, type TensorMap } from './method-state.ts';
import type { OptionSpec } from './options.ts';

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
  /** Whether these are the generator's weights as trained, or their exponential average. */
  readonly weights: ModelWeights;
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

/** Of runs with `--ema`, the exponential average of the generator's weights; `raw`, as trained. */
export const MODEL_WEIGHTS = ['ema', 'raw'] as const;
export type ModelWeights = (typeof MODEL_WEIGHTS)[number];

/** The option by which programs choose among them. */
export const MODEL_WEIGHTS_OPTION: OptionSpec = {
  description:
    'weights of the generator: their exponential average (train --ema), or raw; default ema if the run has it',
  choices: MODEL_WEIGHTS,
};

const FILES = { only: [ENHANCER_FILE], ifThere: [AVERAGE_FILE] } as const;

/**
 * The checkpoint that a path and a choice name: a checkpoint folder is itself; of a run folder or its
 * `checkpoints` `latest` is the newest, `best` the one selected on validation (the newest if none was).
 */
async function chooseCheckpoint(path: string, select: ModelChoice): Promise<LoadedCheckpoint> {
  const newest = await loadCheckpoint(path, FILES);
  const best = Object.values(newest.state.best)[0]?.step;
  const isRun = resolve(newest.folder) !== resolve(path);
  if (!isRun || select === 'latest' || best === undefined || best === newest.state.step) {
    return newest;
  }
  const folder = join(dirname(newest.folder), stepFolderName(best));
  const chosen = await loadCheckpoint(folder, FILES);
  return { ...chosen, skipped: newest.skipped };
}

/**
 * Reads the enhancing generator of a checkpoint folder or run folder, without a device.
 * @param weights by default the exponential average if the run kept one
 * @throws CheckpointError if it is missing, damaged or of an unknown method, or has no average
 */
export async function readModel(
  path: string,
  select: ModelChoice = 'best',
  weights?: ModelWeights,
): Promise<ModelFile> {
  const { folder, state, files, skipped } = await chooseCheckpoint(path, select);
  const { architecture, step, extra = {} } = state;
  const { sizeMultiple } = await generatorPlan(architecture, folder);
  const average = files[AVERAGE_FILE];
  if (weights === 'ema' && !average) {
    throw new CheckpointError(
      `${folder}: expected ${AVERAGE_FILE}.safetensors, found none: the run had no --ema`,
    );
  }
  const isAverage = average !== undefined && weights !== 'raw';
  return {
    folder,
    step,
    architecture,
    extra,
    sizeMultiple,
    weights: isAverage ? 'ema' : 'raw',
    tensors: isAverage ? average : files[ENHANCER_FILE],
    skipped,
  };
}

/**
 * Puts a generator that was read on a device.
 * @param precision how activations are stored; default f32
 * @throws CheckpointError naming the first tensor that is missing or of another shape; GpuError `unsupported`
 *   if the device has no f16
 */
export async function openModel(
  gpu: Gpu,
  file: ModelFile,
  precision: ElementType = 'f32',
): Promise<LoadedModel> {
  const { tensors, ...rest } = file;
  return {
    ...rest,
    method: await enhancerFrom(gpu, file.architecture, tensors, file.folder, precision),
  };
}

/** Name of the method that trained a model, for people. */
export function methodOf({ architecture: { method } }: Pick<ModelFile, 'architecture'>): string {
  return findMethod(method)?.label ?? method;
}

/** `RUN/checkpoints/step-000800 (cyclegan, step 800, exponential average of its weights)`. */
export function describeModel(file: ModelFile): string {
  const { folder, step, weights } = file;
  const which = weights === 'ema' ? ', exponential average of its weights' : '';
  return `${folder} (${methodOf(file)}, step ${step}${which})`;
}

/** {@link readModel}, then {@link openModel}. */
export async function loadModel(
  gpu: Gpu,
  path: string,
  select: ModelChoice = 'best',
): Promise<LoadedModel> {
  return openModel(gpu, await readModel(path, select));
}
