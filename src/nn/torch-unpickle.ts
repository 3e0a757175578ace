import { BufferReader, Parser } from 'pickleparser';
import { DataError, SonoliftError } from '../errors.ts';
import type { HostDtype } from './host-tensor.ts';

/** The memory behind one or several tensors of a torch file, named by its key in that file. */
export class TorchStorage {
  readonly key: string;
  readonly dtype: HostDtype;
  /** Elements of the whole storage. */
  readonly length: number;

  constructor(key: string, dtype: HostDtype, length: number) {
    this.key = key;
    this.dtype = dtype;
    this.length = length;
  }
}

/** A tensor as torch pickles it: a strided window (in elements) on a storage. */
export class PickledTensor {
  readonly storage: TorchStorage;
  readonly offset: number;
  readonly shape: number[];
  readonly strides: number[];

  constructor(storage: TorchStorage, offset: number, shape: number[], strides: number[]) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/** `torch.nn.Parameter` as torch before 0.4 pickled it: an object around its tensor. */
export class PickledParameter {
  tensor: unknown;

  constructor(tensor: unknown) {
    this.tensor = tensor;
  }

  // pickle's own name for restoring an object (the parser calls it for BUILD).
  __setstate__(state: unknown): void {
    // Five fields: the oldest form, the tensor first; three: the tensor was a constructor argument.
    if (Array.isArray(state) && state.length === 5) this.tensor = state[0];
  }
}

const STORAGE_DTYPES: Readonly<Record<string, HostDtype>> = {
  DoubleStorage: 'F64',
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
};

/** Stands for a storage class inside the pickle; never called, only handed to the persistent id. */
class StorageType {
  readonly dtype: HostDtype;

  constructor(dtype: HostDtype) {
    this.dtype = dtype;
  }
}

/** BufferReader that never goes backwards: pickle lengths are signed, a negative one would loop. */
class ForwardReader extends BufferReader {
  override skip(count: number): void {
    if (!(count >= 0)) throw new Error(`negative length ${count}`);
    super.skip(count);
  }
}

/** A reader over consecutive pickles of one buffer. */
export function pickleReader(bytes: Uint8Array): BufferReader {
  return new ForwardReader(bytes);
}

function asIndex(value: unknown, what: string): number {
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 0) {
    throw new DataError(`${what}: expected a non-negative integer, found ${String(value)}`);
  }
  return number;
}

function asIndices(value: unknown, what: string): number[] {
  if (!Array.isArray(value)) throw new DataError(`${what}: expected a tuple of integers`);
  return value.map((item) => asIndex(item, what));
}

function rebuildTensor(storage: unknown, offset: unknown, shape: unknown, strides: unknown) {
  if (!(storage instanceof TorchStorage)) throw new DataError('tensor without a storage');
  return new PickledTensor(
    storage,
    asIndex(offset, 'storage offset'),
    asIndices(shape, 'tensor size'),
    asIndices(strides, 'tensor stride'),
  );
}

/** Python 3 pickles an OrderedDict empty and fills it; Python 2 passes a list of pairs. */
function orderedDict(pairs: unknown = []): Map<unknown, unknown> {
  const dict = new Map<unknown, unknown>();
  if (!Array.isArray(pairs)) throw new DataError('OrderedDict: expected a list of pairs');
  for (const pair of pairs) {
    if (!Array.isArray(pair)) throw new DataError('OrderedDict: expected a list of pairs');
    dict.set(pair[0], pair[1]);
  }
  return dict;
}

function parameter(tensor: unknown): PickledParameter {
  return new PickledParameter(tensor);
}

/**
 * What a pickle may name. Nothing is looked up anywhere else and no code of the file runs. The
 * functions are made afresh for every file, because a pickle may set fields on what it names.
 */
function allowedGlobals(): Map<string, (...args: unknown[]) => unknown> {
  const allowed = new Map<string, (...args: unknown[]) => unknown>([
    ['collections.OrderedDict', (pairs) => orderedDict(pairs)],
    ['torch._utils._rebuild_tensor', (s, o, size, stride) => rebuildTensor(s, o, size, stride)],
    ['torch._utils._rebuild_tensor_v2', (s, o, size, stride) => rebuildTensor(s, o, size, stride)],
    ['torch._utils._rebuild_parameter', (tensor) => parameter(tensor)],
    ['torch.nn.parameter.Parameter', (tensor) => parameter(tensor)],
    ['torch.Size', (sizes) => sizes],
  ]);
  for (const [name, dtype] of Object.entries(STORAGE_DTYPES)) {
    const type = Object.assign(
      () => {
        throw new DataError(`pickle calls torch.${name}`);
      },
      { storageType: new StorageType(dtype) },
    );
    allowed.set(`torch.${name}`, type);
  }
  return allowed;
}

function dtypeOf(type: unknown): HostDtype {
  const storageType =
    typeof type === 'function' && 'storageType' in type ? type.storageType : undefined;
  if (!(storageType instanceof StorageType)) {
    throw new DataError('persistent id names no torch storage class');
  }
  return storageType.dtype;
}

/** `('storage', class, key, location, length[, view])`, see torch/serialization.py `persistent_id`. */
function storageOf(pid: unknown): TorchStorage {
  if (!Array.isArray(pid) || pid[0] !== 'storage') {
    throw new DataError(`persistent id ${String(pid)}: expected a storage`);
  }
  const [, type, key, , length, view]: unknown[] = pid;
  if (typeof key !== 'string') throw new DataError('storage key is not a string');
  if (view !== undefined && view !== null) {
    throw new DataError(
      `storage ${key} is a view of another storage (torch before 0.4); save it again with a newer torch`,
    );
  }
  return new TorchStorage(key, dtypeOf(type), asIndex(length, `length of storage ${key}`));
}

/**
 * Reads one pickle, executing nothing: only the globals of a state_dict are known.
 * Python's dict and OrderedDict come as Map, tuples and lists as arrays.
 * @param file what to call the file in messages
 * @param storages takes every storage that the pickle refers to, by key
 * @throws DataError naming the file, and any global that is not allowed
 */
export function unpickle(
  reader: BufferReader,
  file: string,
  storages = new Map<string, TorchStorage>(),
): unknown {
  const allowed = allowedGlobals();
  const parser = new Parser({
    unpicklingTypeOfDictionary: 'Map',
    nameResolver: {
      resolve(module, name) {
        const known = allowed.get(`${module}.${name}`);
        if (known) return known;
        throw new DataError(
          `pickle names ${module}.${name}, which no state_dict needs; save only the model's state_dict()`,
        );
      },
    },
    persistentResolver: {
      resolve(pid) {
        const storage = storageOf(pid);
        storages.set(storage.key, storage);
        return storage;
      },
    },
  });
  try {
    return parser.read<unknown>(reader);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const kind = cause instanceof SonoliftError ? '' : 'damaged pickle: ';
    throw new DataError(`${file}: ${kind}${reason}`, { cause });
  }
}
