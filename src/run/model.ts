import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError, UsageError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Method } from '../methods/method.ts';
import { PROPOSED_DEFAULTS, ProposedMethod, type ProposedOptions } from '../methods/proposed.ts';
import type { HostTensor } from '../nn/host-tensor.ts';
import { readState, type Tensorlike, writeState } from '../nn/network.ts';
import type { PerceptualDistance } from '../nn/perceptual/perceptual-distance.ts';
import {
  type Architecture,
  type LoadedCheckpoint,
  loadCheckpoint,
  stepFolderName,
  type TensorMap,
} from './checkpoint.ts';

/** Methods that can be trained, by name. */
export const METHOD_NAMES = ['proposed'] as const;

/** File of a checkpoint that holds an optimiser's moments. */
const optimiserFile = (name: string): string => `optimizer_${name}`;

/** File of a checkpoint that holds a network: its prefix without the dot. */
const networkFile = (prefix: string): string => prefix.replace(/\.$/, '');

/** @throws UsageError for an unknown method */
export function createMethod(
  gpu: Gpu,
  name: string,
  options: Partial<ProposedOptions>,
  perceptual?: PerceptualDistance,
): Method {
  if (name !== 'proposed') {
    throw new UsageError(`method must be ${METHOD_NAMES.join(' or ')}, found ${name}`);
  }
  return new ProposedMethod(gpu, { ...PROPOSED_DEFAULTS, ...options }, perceptual);
}

/** All tensors of a method, by checkpoint file: one file a network, one an optimiser. */
export async function methodTensors(method: Method): Promise<Record<string, TensorMap>> {
  const files: Record<string, TensorMap> = {};
  for (const [prefix, network] of method.networks) {
    const state = await readState(network);
    files[networkFile(prefix)] = new Map(
      [...state].map(([name, { shape, data }]) => [prefix + name, hostTensor(shape, data)]),
    );
  }
  for (const [name, optimiser] of method.optimisers) {
    const state = await optimiser.readState();
    files[optimiserFile(name)] = new Map(
      [...state].map(([key, data]) => [key, hostTensor([data.length], data)]),
    );
  }
  return files;
}

/** Scalars of a method's optimisers, for a checkpoint's state. */
export function optimiserScalars(method: Method): Record<string, unknown> {
  const scalars: Record<string, unknown> = {};
  for (const [name, optimiser] of method.optimisers) {
    scalars[name] = { stepCount: optimiser.stepCount, ...optimiser.options };
  }
  return scalars;
}

/**
 * Puts a checkpoint's networks into a method.
 * @throws CheckpointError naming a missing file or the first tensor that does not fit
 */
export function restoreNetworks(
  method: Method,
  files: Readonly<Record<string, TensorMap>>,
  source: string,
  prefixes: readonly string[] = [...method.networks.keys()],
): void {
  for (const prefix of prefixes) {
    const network = method.networks.get(prefix);
    const tensors = files[networkFile(prefix)];
    if (!network || !tensors) {
      throw new CheckpointError(
        `${source}: expected ${networkFile(prefix)}.safetensors, found none`,
      );
    }
    const state = new Map<string, Tensorlike>();
    for (const [name, tensor] of tensors) {
      const { shape, data } = tensor;
      if (!name.startsWith(prefix) || !(data instanceof Float32Array)) {
        throw new CheckpointError(
          `${source}: ${networkFile(prefix)}.safetensors: unexpected tensor ${name} of ${tensor.dtype}`,
        );
      }
      state.set(name.slice(prefix.length), { shape, data });
    }
    writeState(network, state, source);
  }
}

/** Puts a checkpoint's optimiser moments and step counts into a method. */
export function restoreOptimisers(
  method: Method,
  files: Readonly<Record<string, TensorMap>>,
  scalars: Readonly<Record<string, unknown>>,
  source: string,
): void {
  for (const [name, optimiser] of method.optimisers) {
    const tensors = files[optimiserFile(name)];
    const saved = scalars[name];
    const stepCount =
      typeof saved === 'object' && saved !== null && 'stepCount' in saved
        ? saved.stepCount
        : undefined;
    if (!tensors || typeof stepCount !== 'number') {
      throw new CheckpointError(`${source}: expected the state of optimiser ${name}, found none`);
    }
    const values = new Map<string, Float32Array>();
    for (const [key, { data }] of tensors) {
      if (data instanceof Float32Array) values.set(key, data);
    }
    optimiser.writeState(values, stepCount);
  }
}

/** A trained generator, ready to enhance. */
export interface LoadedModel {
  readonly method: Method;
  /** The checkpoint folder it came from. */
  readonly folder: string;
  readonly step: number;
  readonly architecture: Architecture;
  /** What the run recorded beside its networks (size, fit, seed …). */
  readonly extra: Readonly<Record<string, unknown>>;
}

/**
 * The checkpoint that a path and a choice name: a checkpoint folder is itself; of a run folder
 * `latest` is the newest, `best` the one selected on validation (the newest if none was).
 */
async function chooseCheckpoint(path: string, select: string): Promise<LoadedCheckpoint> {
  const newest = await loadCheckpoint(path, { only: ['G_H'] });
  const best = Object.values(newest.state.best)[0]?.step;
  const isRun = existsSync(join(path, 'checkpoints'));
  if (!isRun || select === 'latest' || best === undefined) return newest;
  return loadCheckpoint(join(path, 'checkpoints', stepFolderName(best)), { only: ['G_H'] });
}

/**
 * Loads the enhancing generator of a checkpoint folder or run folder.
 * @param select of a run folder: `best` on validation, or `latest`
 * @throws CheckpointError if it is damaged or of an unknown method
 */
export async function loadModel(gpu: Gpu, path: string, select = 'best'): Promise<LoadedModel> {
  const { folder, state, files } = await chooseCheckpoint(path, select);
  const { architecture } = state;
  if (architecture.method !== 'proposed') {
    throw new CheckpointError(
      `${folder}: method ${architecture.method} is unknown, expected ${METHOD_NAMES.join(' or ')}`,
    );
  }
  const whole = (name: string): number => {
    const value = architecture[name];
    if (typeof value !== 'number')
      throw new CheckpointError(`${folder}: architecture lacks ${name}`);
    return value;
  };
  const paddingMode = architecture.paddingMode === 'reflect' ? 'reflect' : 'zeros';
  // The other networks are not needed to enhance: they are made as small as they can be.
  const method = createMethod(gpu, architecture.method, {
    ngf: whole('ngf'),
    ndf: 1,
    levels: whole('levels'),
    paddingMode,
    lambdaPerceptual: 0,
  });
  restoreNetworks(method, files, folder, ['G_H.']);
  return { method, folder, step: state.step, architecture, extra: state.extra ?? {} };
}

function hostTensor(shape: readonly number[], data: Float32Array): HostTensor {
  return { dtype: 'F32', shape: [...shape], data };
}
