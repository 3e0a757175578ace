import type { ElementType } from '../../kernels/element-types.ts';
import type { RandomStream } from '../autograd/philox.ts';
import { type Shape, Tensor } from '../autograd/tensor.ts';
import { CheckpointError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Storage } from '../gpu/storage.ts';
import type { Initialiser } from './initialisers.ts';
import {
  ALIGNMENT,
  type ParameterDeclaration,
  type ParameterSet,
  partOf,
} from './parameter-set.ts';

/** What a forward pass needs to know besides its input. */
export interface ForwardContext {
  /** Dropout draws and spectral norm iterates only in training mode. */
  readonly training: boolean;
  /** Seed and step of this pass's random draws. */
  readonly seed: number;
  readonly step: number;
  /** Distinguishes passes of one step, so that they draw different dropout masks. */
  readonly pass: number;
  /**
   * How activations inside of the network are stored; default f32. What comes out is f32 in any case.
   */
  readonly precision?: ElementType;
}

/** The context of scoring and enhancing: nothing is drawn, no state changes. */
export const EVALUATION: ForwardContext = { training: false, seed: 0, step: 0, pass: 0 };

/** Parameters and state of one network, saved under PyTorch's `state_dict` names. */
export interface Network {
  readonly parameters: ParameterSet;
  /** Tensors that are state but not trained (spectral norm's `u` and `v`). */
  readonly buffers: ReadonlyMap<string, Tensor>;
  /** Storages that several of the buffers lie in, released after them. */
  readonly arenas?: readonly Storage[];
}

/**
 * Declares `name.weight` and, with `bias`, `name.bias` of a convolution. In front of instance norm,
 * which takes the mean away again, a bias does nothing and has no gradient (`cancelled`); it is kept
 * for the sake of checkpoints.
 */
export function declareConvolution(
  name: string,
  shape: readonly [number, number, number, number],
  initialise: Initialiser,
  options: { bias: boolean; biasLength: number; weightName?: string; cancelled?: boolean },
): ParameterDeclaration[] {
  const fanIn = shape[1] * shape[2] * shape[3];
  const declarations: ParameterDeclaration[] = [
    {
      name: `${name}.${options.weightName ?? 'weight'}`,
      shape,
      initialise: () => initialise(shape, 'weight', fanIn),
    },
  ];
  if (options.bias) {
    const biasShape = [options.biasLength];
    declarations.push({
      name: `${name}.bias`,
      shape: biasShape,
      initialise: () => initialise(biasShape, 'bias', fanIn),
      requiresGrad: !options.cancelled,
    });
  }
  return declarations;
}

/** Normalised normal deviates (spectral norm's first `u` and `v`). */
export function randomUnitVector(length: number, random: RandomStream): Float32Array {
  const values = new Float64Array(length).map(() => random.normal());
  const norm = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  return Float32Array.from(values, (value) => value / norm);
}

/** Persistent vectors side by side in one storage, so that a kernel can bind all of them as one. */
export function persistentTensors(
  gpu: Gpu,
  vectors: readonly Float32Array[],
): { readonly tensors: readonly Tensor[]; readonly storage: Storage } {
  const starts: number[] = [];
  let length = 0;
  for (const vector of vectors) {
    starts.push(length);
    length += Math.ceil((vector.length * 4) / ALIGNMENT) * (ALIGNMENT / 4);
  }
  const contents = new Float32Array(length);
  for (const [k, vector] of vectors.entries()) contents.set(vector, starts[k]);
  const storage = gpu.upload(contents);
  gpu.keep(storage);
  const tensors = vectors.map(
    (vector, k) =>
      new Tensor(gpu, [vector.length], partOf(gpu, storage, starts[k] * 4, vector.byteLength)),
  );
  return { tensors, storage };
}

/** A tensor that lives until it is disposed of. */
export function persistentTensor(gpu: Gpu, data: Float32Array, shape: Shape): Tensor {
  const storage = gpu.upload(data);
  gpu.keep(storage);
  return new Tensor(gpu, shape, storage);
}

/** A persistent tensor that never changes: kernels keep what they derive from it alone. */
export function constantTensor(gpu: Gpu, data: Float32Array, shape: Shape): Tensor {
  const tensor = persistentTensor(gpu, data, shape);
  tensor.storage.constant = true;
  return tensor;
}

/** Everything that makes up a network's state, by name. */
export async function readState(network: Network): Promise<Map<string, Tensorlike>> {
  const state = new Map<string, Tensorlike>();
  const values = await network.parameters.read();
  for (const [name, data] of values) {
    state.set(name, { shape: network.parameters.get(name).shape, data });
  }
  for (const [name, tensor] of network.buffers) {
    state.set(name, { shape: tensor.shape, data: await tensor.read() });
  }
  return state;
}

/** Host values with a shape. */
export interface Tensorlike {
  readonly shape: Shape;
  readonly data: Float32Array;
}

/**
 * Replaces a network's state. Names and shapes must agree exactly.
 * @throws CheckpointError naming the first tensor that is missing, extra, of another shape, or holds
 *   NaN or infinity.
 */
export function writeState(
  network: Network,
  state: ReadonlyMap<string, Tensorlike>,
  source: string,
): void {
  const expected = new Map<string, Shape>();
  for (const parameter of network.parameters.all()) expected.set(parameter.name, parameter.shape);
  for (const [name, tensor] of network.buffers) expected.set(name, tensor.shape);
  for (const [name, shape] of expected) {
    const found = state.get(name);
    if (!found) throw new CheckpointError(`${source}: tensor ${name} [${shape}] is missing`);
    if (found.shape.join() !== shape.join()) {
      throw new CheckpointError(
        `${source}: tensor ${name} has shape [${found.shape}], expected [${shape}]`,
      );
    }
  }
  for (const name of state.keys()) {
    if (!expected.has(name)) throw new CheckpointError(`${source}: unexpected tensor ${name}`);
  }
  const values = new Map<string, Float32Array>();
  for (const [name, { data }] of state) {
    const bad = data.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      throw new CheckpointError(
        `${source}: tensor ${name}: expected finite values, found ${data[bad]} at ${bad}`,
      );
    }
    values.set(name, data);
  }
  network.parameters.write(values);
  for (const [name, tensor] of network.buffers) {
    const data = values.get(name);
    if (data) tensor.gpu.write(tensor.storage, data);
  }
}
