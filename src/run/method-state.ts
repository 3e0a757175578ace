/** Methods and their states as checkpoints hold them. Browser-safe: nothing here reads files. */
import { CheckpointError, UsageError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Method } from '../methods/method.ts';
import { PROPOSED_DEFAULTS, ProposedMethod, type ProposedOptions } from '../methods/proposed.ts';
import type { HostTensor } from '../nn/host-tensor.ts';
import { readState, type Tensorlike, writeState } from '../nn/network.ts';
import type { PerceptualDistance } from '../nn/perceptual/perceptual-distance.ts';
import type { Architecture } from './checkpoint-state.ts';

/** Tensors by name, as one `.safetensors` file holds them. */
export type TensorMap = ReadonlyMap<string, HostTensor>;

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

/**
 * Makes the enhancing generator of a checkpoint. Browser-safe: the caller has read the tensors.
 * @param tensors of `G_H.safetensors`, by name with the prefix `G_H.`
 * @param source what to call the checkpoint in messages
 * @throws CheckpointError if the method is unknown, or a tensor is missing or of another shape
 */
export function enhancerFrom(
  gpu: Gpu,
  architecture: Architecture,
  tensors: TensorMap,
  source: string,
): Method {
  const { ngf, levels } = enhancerShape(architecture, source);
  // The other networks are not needed to enhance: they are made as small as they can be.
  const method = createMethod(gpu, architecture.method, {
    ngf,
    ndf: 1,
    levels,
    paddingMode: architecture.paddingMode === 'reflect' ? 'reflect' : 'zeros',
    lambdaPerceptual: 0,
  });
  try {
    restoreNetworks(method, { G_H: tensors }, source, ['G_H.']);
  } catch (error) {
    method.dispose();
    throw error;
  }
  return method;
}

/**
 * Width and depth of a checkpoint's generator.
 * @throws CheckpointError if the method is unknown or a number is not one
 */
export function enhancerShape(
  architecture: Architecture,
  source: string,
): { ngf: number; levels: number } {
  if (!METHOD_NAMES.some((name) => name === architecture.method)) {
    throw new CheckpointError(
      `${source}: field architecture.method: expected ${METHOD_NAMES.join(' or ')}, found ${architecture.method}`,
    );
  }
  const whole = (name: string, most: number): number => {
    const value = architecture[name];
    if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) {
      return value;
    }
    throw new CheckpointError(
      `${source}: field architecture.${name}: expected a whole number from 1 to ${most}, found ${JSON.stringify(value) ?? 'none'}`,
    );
  };
  return { ngf: whole('ngf', 4096), levels: whole('levels', 8) };
}

function hostTensor(shape: readonly number[], data: Float32Array): HostTensor {
  return { dtype: 'F32', shape: [...shape], data };
}
