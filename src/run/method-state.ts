/** Methods and their states as checkpoints hold them. Browser-safe: nothing here reads files. */
import { CheckpointError } from '../errors.ts';
import { AVERAGE_PREFIX, ENHANCER_PREFIX, type Method } from '../methods/method.ts';
import type { HostTensor } from '../nn/host-tensor.ts';
import { type Network, readState, type Tensorlike, writeState } from '../nn/network.ts';

/** Tensors by name, as one `.safetensors` file holds them. */
export type TensorMap = ReadonlyMap<string, HostTensor>;

/** File of a checkpoint that holds an optimiser's moments. */
const optimiserFile = (name: string): string => `optimizer_${name}`;

/** File of a checkpoint that holds a network: its prefix without the dot. */
const networkFile = (prefix: string): string => prefix.replace(/\.$/, '');

/** File of a checkpoint that holds the enhancing generator, without its extension. */
export const ENHANCER_FILE = networkFile(ENHANCER_PREFIX);

/** That which holds the exponential average of its weights, if the run kept one. */
export const AVERAGE_FILE = networkFile(AVERAGE_PREFIX);

/** File of a checkpoint that holds a method's image pools. */
const POOL_FILE = 'pools';

/** All tensors of a method, by checkpoint file: one a network, one an optimiser, one for all pools. */
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
  if (method.pools.size) {
    const pools = new Map<string, HostTensor>();
    for (const [name, pool] of method.pools) {
      const { shape, data } = await pool.readState();
      pools.set(name, hostTensor(shape, data));
    }
    files[POOL_FILE] = pools;
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

/** Where a checkpoint's scalars hold a loss scale. */
const scalerKey = (name: string): string => `scaler_${name}`;

/** A method's loss scales, for a checkpoint's state; none under `--precision f32`. */
export async function readScalers(method: Method): Promise<Record<string, unknown>> {
  const states: Record<string, unknown> = {};
  for (const [name, scaler] of method.scalers ?? []) {
    states[scalerKey(name)] = await scaler.readState();
  }
  return states;
}

/**
 * Puts a checkpoint's loss scales into a method; one without any needs none.
 * @throws CheckpointError if one is missing or does not fit
 */
export function restoreScalers(
  method: Method,
  scalars: Readonly<Record<string, unknown>>,
  source: string,
): void {
  for (const [name, scaler] of method.scalers ?? []) {
    scaler.writeState(scalars[scalerKey(name)], `${source}: loss scale ${name}`);
  }
}

/**
 * Puts a checkpoint's networks into a method.
 * @throws CheckpointError naming a missing file or the first tensor that does not fit
 */
export function restoreNetworks(
  method: Method,
  files: Readonly<Record<string, TensorMap>>,
  source: string,
): void {
  for (const [prefix, network] of method.networks) {
    restoreNetwork(network, prefix, files[networkFile(prefix)], source);
  }
}

/** Puts a file of a checkpoint into a network. @throws CheckpointError as {@link restoreNetworks} */
export function restoreNetwork(
  network: Network,
  prefix: string,
  tensors: TensorMap | undefined,
  source: string,
): void {
  const file = networkFile(prefix);
  if (!tensors) throw new CheckpointError(`${source}: expected ${file}.safetensors, found none`);
  const state = new Map<string, Tensorlike>();
  for (const [name, tensor] of tensors) {
    const { shape, data } = tensor;
    if (!name.startsWith(prefix) || !(data instanceof Float32Array)) {
      throw new CheckpointError(
        `${source}: expected floats of ${file}, found ${name} of ${tensor.dtype}`,
      );
    }
    state.set(name.slice(prefix.length), { shape, data });
  }
  writeState(network, state, source);
}

/**
 * Puts a checkpoint's image pools into a method; one without pools needs none.
 * @throws CheckpointError naming a pool that is missing or does not fit
 */
export function restorePools(
  method: Method,
  files: Readonly<Record<string, TensorMap>>,
  source: string,
): void {
  for (const [name, pool] of method.pools) {
    const tensor = files[POOL_FILE]?.get(name);
    if (!tensor || !(tensor.data instanceof Float32Array)) {
      throw new CheckpointError(
        `${source}: expected the image pool ${name} in ${POOL_FILE}.safetensors, found ${tensor?.dtype ?? 'none'}`,
      );
    }
    pool.writeState({ shape: tensor.shape, data: tensor.data }, source);
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

function hostTensor(shape: readonly number[], data: Float32Array): HostTensor {
  return { dtype: 'F32', shape: [...shape], data };
}
