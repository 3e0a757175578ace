import { DataError } from '../errors.ts';
import type { HostTensor } from './host-tensor.ts';
import { type PerceptualName, TRUNKS, trunkShapes } from './perceptual/trunks.ts';
import { parseSafetensors } from './safetensors.ts';
import { isTorchFile, parseTorchStateDict } from './torch-pickle.ts';

/** The distances whose weights come from files. */
export type LpipsName = Exclude<PerceptualName, 'random-features'>;

/** A tensor of floats in host memory. */
export interface FloatTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Under which stems a trunk's file is looked for, in this order: ours, then torchvision's. */
export const TRUNK_STEMS: Readonly<Record<LpipsName, readonly string[]>> = {
  alex: ['alexnet_features', 'alexnet-owt-7be5be79', 'alexnet-owt-4df8aa71'],
  squeeze: ['squeezenet1_1_features', 'squeezenet1_1-b8a52dc0', 'squeezenet1_1-f364aa15'],
  vgg: ['vgg16_features', 'vgg16-397923af', 'vgg16_conv1_1-conv2_2'],
};

/** Under which stems the file of the linear layers is looked for: ours, then LPIPS's own. */
export const LINEAR_STEMS: Readonly<Record<LpipsName, readonly string[]>> = {
  alex: ['lpips_lin_v0.1_alex', 'alex'],
  squeeze: ['lpips_lin_v0.1_squeeze', 'squeeze'],
  vgg: ['lpips_lin_v0.1_vgg', 'vgg'],
};

/**
 * Reads weights from the bytes of a safetensors or torch file, told apart by content, not by name.
 * @param file what to call the file in messages
 * @throws DataError naming the file if it is neither or damaged
 */
export function parseWeights(bytes: Uint8Array, file: string): Map<string, HostTensor> {
  if (isTorchFile(bytes)) return parseTorchStateDict(bytes, file);
  if (bytes[8] === '{'.charCodeAt(0)) return parseSafetensors(bytes, file).tensors;
  throw new DataError(
    `${file}: expected a safetensors file or one written by torch.save, found another format`,
  );
}

/** A tensor's values if it is there, has the shape and holds finite floats; else a DataError. */
function floatTensor(
  tensor: HostTensor | undefined,
  name: string,
  shape: readonly number[],
  file: string,
): FloatTensor {
  const where = `${file}: tensor ${name}`;
  if (!tensor) throw new DataError(`${where}: expected shape [${shape}], found no such tensor`);
  if (tensor.shape.join() !== shape.join()) {
    throw new DataError(`${where}: expected shape [${shape}], found [${tensor.shape}]`);
  }
  if (!(tensor.data instanceof Float32Array)) {
    throw new DataError(`${where}: expected floating-point values, found ${tensor.dtype}`);
  }
  const bad = tensor.data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new DataError(`${where}: expected finite values, found ${tensor.data[bad]} at ${bad}`);
  }
  return { shape, data: tensor.data };
}

/**
 * The convolutions of a perceptual trunk by torchvision's names without `features.`, for example
 * `0.weight` `[64,3,11,11]` (OIHW) and `0.bias` `[64]`. The file may have the prefix or not; its
 * other tensors (a classifier) are left out.
 * @param slices how many slices of the trunk are needed, all if absent
 * @throws DataError naming file, tensor, expected and found shape
 */
export function trunkWeights(
  tensors: ReadonlyMap<string, HostTensor>,
  name: LpipsName,
  file: string,
  slices = TRUNKS[name].slices.length,
): Map<string, FloatTensor> {
  const trunk = { ...TRUNKS[name], slices: TRUNKS[name].slices.slice(0, slices) };
  const weights = new Map<string, FloatTensor>();
  for (const [key, shape] of trunkShapes(trunk)) {
    const tensor = tensors.get(`features.${key}`) ?? tensors.get(key);
    weights.set(key, floatTensor(tensor, key, shape, file));
  }
  return weights;
}

/**
 * The channel weights of LPIPS v0.1's linear layers, one array a slice. Accepts `lin0` `[C]` and
 * LPIPS's own `lin0.model.1.weight` `[1,C,1,1]`.
 * @throws DataError naming file, tensor, expected and found shape
 */
export function linearWeights(
  tensors: ReadonlyMap<string, HostTensor>,
  name: LpipsName,
  file: string,
): Float32Array[] {
  return TRUNKS[name].channels.map((channels, slice) => {
    const upstream = `lin${slice}.model.1.weight`;
    const original = tensors.get(upstream);
    return original
      ? floatTensor(original, upstream, [1, channels, 1, 1], file).data
      : floatTensor(tensors.get(`lin${slice}`), `lin${slice}`, [channels], file).data;
  });
}
