import { unzipSync } from 'fflate';
import { DataError } from '../errors.ts';
import { DTYPE_BYTES, decodeElements, elementCount, type HostTensor } from './host-tensor.ts';
import {
  PickledParameter,
  PickledTensor,
  pickleReader,
  type TorchStorage,
  unpickle,
} from './torch-unpickle.ts';

/** Pickle of torch's legacy magic number 0x1950a86a20f9469cfc6c: PROTO, LONG1 of 10 bytes, STOP. */
const LEGACY_MAGIC = [
  0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e,
];
const LEGACY_PROTOCOL = 1001;
const ZIP_MAGIC = [0x50, 0x4b, 0x03, 0x04];
/** Largest tensor made by repeating elements of a smaller storage (stride 0, overlapping windows). */
const MAX_EXPANDED_ELEMENTS = 2 ** 24;

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, index) => bytes[index] === byte);
}

/** Whether the bytes are a zip (torch ≥ 1.6) or a legacy torch file. */
export function isTorchFile(bytes: Uint8Array): boolean {
  return startsWith(bytes, ZIP_MAGIC) || startsWith(bytes, LEGACY_MAGIC);
}

interface OpenedFile {
  root: unknown;
  /** Raw little-endian bytes of a storage, or undefined if the file has none of that key. */
  storageBytes(storage: TorchStorage): Uint8Array | undefined;
}

function openZip(bytes: Uint8Array, file: string): OpenedFile {
  let entries: Record<string, Uint8Array>;
  try {
    entries = unzipSync(bytes, {
      filter(entry) {
        // torch.save only stores; refusing deflate also refuses archives that unpack to terabytes.
        if (entry.compression === 0) return true;
        throw new DataError(`${file}: zip entry ${entry.name} is compressed, torch.save stores`);
      },
    });
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DataError(`${file}: damaged zip archive: ${reason}`, { cause });
  }
  const pickleName = Object.keys(entries).find((entry) => /^([^/]*\/)?data\.pkl$/.test(entry));
  const pickle = pickleName === undefined ? undefined : entries[pickleName];
  if (pickleName === undefined || !pickle) {
    throw new DataError(`${file}: zip archive without data.pkl, not written by torch.save`);
  }
  const prefix = pickleName.slice(0, -'data.pkl'.length);
  const order = entries[`${prefix}byteorder`];
  if (order && new TextDecoder().decode(order) !== 'little') {
    throw new DataError(`${file}: expected byte order little, found another`);
  }
  return {
    root: unpickle(pickleReader(pickle), file),
    storageBytes: ({ key }) => entries[`${prefix}data/${key}`],
  };
}

/**
 * Five parts one after the other: magic number, protocol version, system information, the object,
 * the list of storage keys (all pickles); then per key an int64 length and the elements.
 */
function openLegacy(bytes: Uint8Array, file: string): OpenedFile {
  const reader = pickleReader(bytes);
  reader.skip(LEGACY_MAGIC.length);
  const protocol = unpickle(reader, file);
  if (protocol !== LEGACY_PROTOCOL) {
    throw new DataError(
      `${file}: expected torch protocol ${LEGACY_PROTOCOL}, found ${String(protocol)}`,
    );
  }
  const system = unpickle(reader, file);
  if (!(system instanceof Map) || system.get('little_endian') !== true) {
    throw new DataError(`${file}: expected byte order little, found another`);
  }
  const storages = new Map<string, TorchStorage>();
  const root = unpickle(reader, file, storages);
  const keys = unpickle(reader, file);
  if (!Array.isArray(keys)) throw new DataError(`${file}: list of storage keys is missing`);

  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const data = new Map<string, Uint8Array>();
  let position = reader.position;
  for (const key of keys) {
    const dtype = storages.get(key)?.dtype;
    if (dtype === undefined) {
      throw new DataError(`${file}: storage ${String(key)} is listed, but nothing refers to it`);
    }
    const header = position + 8;
    const length = header <= bytes.length ? view.getBigInt64(position, true) : -1n;
    const end = header + Number(length) * DTYPE_BYTES[dtype];
    if (length < 0n || end > bytes.length) {
      throw new DataError(
        `${file}: storage ${String(key)} of ${length} elements ends at byte ${end}, the file has ${bytes.length}`,
      );
    }
    data.set(key, bytes.subarray(header, end));
    position = end;
  }
  return { root, storageBytes: ({ key }) => data.get(key) };
}

/** The tensors of a state_dict by name; a training checkpoint's `state_dict` entry is opened. */
function namedTensors(root: unknown, file: string): Map<string, PickledTensor> {
  const dict = root instanceof Map && root.get('state_dict') ? root.get('state_dict') : root;
  if (!(dict instanceof Map)) {
    throw new DataError(`${file}: expected a state_dict of named tensors, found another object`);
  }
  const named = new Map<string, PickledTensor>();
  for (const [name, value] of dict) {
    const tensor = value instanceof PickledParameter ? value.tensor : value;
    if (tensor instanceof PickledTensor) named.set(String(name), tensor);
  }
  if (named.size === 0) {
    throw new DataError(`${file}: expected a state_dict of named tensors, found none`);
  }
  return named;
}

/** Copies a strided window out of a storage into contiguous row-major order. */
function materialise(tensor: PickledTensor, raw: Uint8Array | undefined, where: string) {
  const { storage, offset, shape, strides } = tensor;
  const { dtype, key, length } = storage;
  const width = DTYPE_BYTES[dtype];
  if (raw?.length !== length * width) {
    throw new DataError(
      `${where}: expected storage ${key} of ${length * width} bytes, found ${raw ? `${raw.length} bytes` : 'none'}`,
    );
  }
  const count = elementCount(shape);
  if (count === undefined || strides.length !== shape.length) {
    throw new DataError(`${where}: size [${shape}] and stride [${strides}] do not fit`);
  }
  const lastIndex = shape.reduce((sum, size, i) => sum + (size - 1) * (strides[i] ?? 0), offset);
  if (count > 0 && !(lastIndex < length)) {
    throw new DataError(
      `${where}: size [${shape}], stride [${strides}], offset ${offset} reach element ${lastIndex} of a storage of ${length}`,
    );
  }
  if (count > length && count > MAX_EXPANDED_ELEMENTS) {
    throw new DataError(`${where}: ${count} elements repeat a storage of ${length}`);
  }

  const out = new Uint8Array(count * width);
  const index = new Array<number>(shape.length).fill(0);
  let source = offset;
  let contiguous = 1;
  const isContiguous = shape.every((_, i) => {
    const axis = shape.length - 1 - i;
    const size = shape[axis] ?? 1;
    const fits = size === 1 || strides[axis] === contiguous;
    contiguous *= size;
    return fits;
  });
  if (isContiguous) {
    out.set(raw.subarray(offset * width, (offset + count) * width));
    return out;
  }
  for (let element = 0; element < count; element++) {
    for (let byte = 0; byte < width; byte++) {
      out[element * width + byte] = raw[source * width + byte] ?? 0;
    }
    // Odometer over the axes, innermost first.
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const stride = strides[axis] ?? 0;
      const next = (index[axis] ?? 0) + 1;
      source += stride;
      if (next < (shape[axis] ?? 1)) {
        index[axis] = next;
        break;
      }
      index[axis] = 0;
      source -= next * stride;
    }
  }
  return out;
}

/**
 * Reads the tensors of a `torch.save`d state_dict (`.pth`, `.pt`): the zip format of torch ≥ 1.6
 * and the legacy format before it (`torch/serialization.py`). No code of the file is executed;
 * globals other than those of a state_dict are refused. Strided tensors become contiguous, F64 is
 * rounded to f32. A dict with a `state_dict` entry is opened; entries that are no tensors (an epoch
 * number, say) are left out.
 * @param bytes the whole file
 * @param name what to call the file in messages
 * @throws DataError naming file, tensor or global, what was expected and what was found
 */
export function parseTorchStateDict(bytes: Uint8Array, name: string): Map<string, HostTensor> {
  if (!isTorchFile(bytes)) {
    throw new DataError(`${name}: expected a file written by torch.save, found another format`);
  }
  const opened = startsWith(bytes, ZIP_MAGIC) ? openZip(bytes, name) : openLegacy(bytes, name);
  const tensors = new Map<string, HostTensor>();
  for (const [key, tensor] of namedTensors(opened.root, name)) {
    const where = `${name}: tensor ${JSON.stringify(key)}`;
    const raw = materialise(tensor, opened.storageBytes(tensor.storage), where);
    const { dtype } = tensor.storage;
    tensors.set(key, { dtype, shape: tensor.shape, data: decodeElements(dtype, raw) });
  }
  return tensors;
}
