import { DataError } from '../errors.ts';
import { firstDuplicateKey } from './duplicate-keys.ts';
import {
  DTYPE_BYTES,
  decodeElements,
  elementCount,
  encodeElements,
  type HostDtype,
  type HostTensor,
  isHostDtype,
} from './host-tensor.ts';

/** Tensors and string metadata of one safetensors file. */
export interface SafetensorsContent {
  tensors: Map<string, HostTensor>;
  metadata: Record<string, string>;
}

/** Upper bound of the JSON header, as in the reference implementation (`tensor.rs`). */
const MAX_HEADER_BYTES = 100_000_000;
const PREFIX_BYTES = 8;
const OPENING_BRACE = 0x7b;
const METADATA_KEY = '__metadata__';

interface HeaderEntry {
  name: string;
  dtype: HostDtype;
  shape: number[];
  begin: number;
  end: number;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseHeader(bytes: Uint8Array, file: string): { json: unknown; dataStart: number } {
  if (bytes.length < PREFIX_BYTES) {
    throw new DataError(
      `${file}: safetensors header length needs ${PREFIX_BYTES} bytes, the file has ${bytes.length}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw new DataError(
      `${file}: safetensors header of ${length} bytes, allowed are ${MAX_HEADER_BYTES}`,
    );
  }
  const dataStart = PREFIX_BYTES + Number(length);
  if (dataStart > bytes.length) {
    throw new DataError(
      `${file}: safetensors header ends at byte ${dataStart}, the file has ${bytes.length}`,
    );
  }
  if (bytes[PREFIX_BYTES] !== OPENING_BRACE || length === 0n) {
    throw new DataError(`${file}: safetensors header does not start with '{'`);
  }
  let text: string;
  let json: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(
      bytes.subarray(PREFIX_BYTES, dataStart),
    );
    json = JSON.parse(text);
  } catch (cause) {
    throw new DataError(`${file}: safetensors header is not valid UTF-8 JSON`, { cause });
  }
  const duplicate = firstDuplicateKey(text);
  if (duplicate !== undefined) {
    throw new DataError(
      `${file}: safetensors header has the key ${JSON.stringify(duplicate)} twice`,
    );
  }
  return { json, dataStart };
}

function parseMetadata(value: unknown, file: string): Record<string, string> {
  if (value === undefined) return {};
  if (!isObject(value)) throw new DataError(`${file}: ${METADATA_KEY} is not an object of strings`);
  const entries = Object.entries(value).map(([key, text]): [string, string] => {
    if (typeof text !== 'string') {
      throw new DataError(
        `${file}: ${METADATA_KEY} field ${JSON.stringify(key)}: expected a string, found ${typeof text}`,
      );
    }
    return [key, text];
  });
  return Object.fromEntries(entries);
}

function parseEntry(name: string, value: unknown, file: string): HeaderEntry {
  const where = `${file}: tensor ${JSON.stringify(name)}`;
  if (!isObject(value)) throw new DataError(`${where}: header entry is not an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isHostDtype(dtype)) {
    throw new DataError(
      `${where}: expected dtype one of ${Object.keys(DTYPE_BYTES).join(', ')}, found ${JSON.stringify(dtype)}`,
    );
  }
  const count = Array.isArray(shape) ? elementCount(shape) : undefined;
  if (!Array.isArray(shape) || count === undefined) {
    throw new DataError(
      `${where}: expected a shape of non-negative integers with a product below 2^53, found ${JSON.stringify(shape)}`,
    );
  }
  if (!Array.isArray(offsets) || offsets.length !== 2) {
    throw new DataError(
      `${where}: expected two data_offsets, found ${JSON.stringify(offsets) ?? 'none'}`,
    );
  }
  const [begin, end]: unknown[] = offsets;
  if (elementCount([begin]) === undefined || elementCount([end]) === undefined) {
    throw new DataError(
      `${where}: data_offsets are not non-negative integers: ${JSON.stringify(offsets)}`,
    );
  }
  const found = Number(end) - Number(begin);
  const expected = count * DTYPE_BYTES[dtype];
  if (found !== expected) {
    throw new DataError(
      `${where}: expected ${expected} bytes for ${dtype} [${shape}], found data_offsets [${offsets}] of ${found} bytes`,
    );
  }
  return { name, dtype, shape: shape.map(Number), begin: Number(begin), end: Number(end) };
}

/**
 * Reads a safetensors file held in memory. Enforces the rules of the format (huggingface/safetensors,
 * README and `tensor.rs`): header of at most 100 MB that starts with '{', no key twice, metadata of
 * strings only, tensors that lie one after the other from the first data byte to the last without
 * hole or overlap, byte lengths that equal shape × dtype.
 * @param bytes the whole file; the result holds copies, so the caller may drop it
 * @param name what to call the file in messages
 * @returns tensors in the order of the header
 * @throws DataError naming file, tensor, what was expected and what was found
 */
export function parseSafetensors(bytes: Uint8Array, name: string): SafetensorsContent {
  const { json, dataStart } = parseHeader(bytes, name);
  if (!isObject(json)) throw new DataError(`${name}: safetensors header is not an object`);
  const metadata = parseMetadata(
    Object.hasOwn(json, METADATA_KEY) ? json[METADATA_KEY] : undefined,
    name,
  );
  const entries = Object.entries(json)
    .filter(([key]) => key !== METADATA_KEY)
    .map(([key, value]) => parseEntry(key, value, name));

  const dataBytes = bytes.length - dataStart;
  let covered = 0;
  for (const entry of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (entry.begin !== covered) {
      throw new DataError(
        `${name}: tensor ${JSON.stringify(entry.name)}: expected data to begin at byte ${covered}, found ${entry.begin} (${entry.begin > covered ? 'hole' : 'overlap'})`,
      );
    }
    covered = entry.end;
  }
  if (covered !== dataBytes) {
    throw new DataError(
      `${name}: the tensors take ${covered} data bytes, the file has ${dataBytes}`,
    );
  }

  const tensors = new Map<string, HostTensor>();
  for (const { name: key, dtype, shape, begin, end } of entries) {
    const data = decodeElements(dtype, bytes.subarray(dataStart + begin, dataStart + end));
    tensors.set(key, { dtype, shape, data });
  }
  return { tensors, metadata };
}

/**
 * The bytes of a safetensors file. Data is laid out by element size, widest first, then by name,
 * so every tensor is aligned and equal content gives equal bytes.
 * @param tensors F16 and BF16 are rounded to nearest even from the f32 values held
 * @param metadata strings for the `__metadata__` field, left out if there are none
 * @throws DataError if a tensor's data does not fit its shape or dtype, or its name is reserved
 */
export function serializeSafetensors(
  tensors: ReadonlyMap<string, HostTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const ordered = [...tensors].sort(
    ([a, { dtype: aType }], [b, { dtype: bType }]) =>
      DTYPE_BYTES[bType] - DTYPE_BYTES[aType] || (a < b ? -1 : 1),
  );
  const fields: string[] = [];
  const chunks: Uint8Array[] = [];
  let offset = 0;
  if (Object.keys(metadata).length > 0) {
    fields.push(`"${METADATA_KEY}":${JSON.stringify(metadata)}`);
  }
  for (const [name, tensor] of ordered) {
    if (name === METADATA_KEY) {
      throw new DataError(`tensor name ${METADATA_KEY} is reserved by the safetensors format`);
    }
    const chunk = encodeElements(tensor, name);
    const end = offset + chunk.length;
    const info = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [offset, end] };
    fields.push(`${JSON.stringify(name)}:${JSON.stringify(info)}`);
    chunks.push(chunk);
    offset = end;
  }

  const json = new TextEncoder().encode(`{${fields.join(',')}}`);
  // Spaces up to a multiple of eight, so that the data begins aligned for every dtype.
  const headerBytes = Math.ceil(json.length / 8) * 8;
  if (headerBytes > MAX_HEADER_BYTES) {
    throw new DataError(
      `safetensors header of ${headerBytes} bytes, allowed are ${MAX_HEADER_BYTES}`,
    );
  }
  const file = new Uint8Array(PREFIX_BYTES + headerBytes + offset).fill(
    0x20,
    0,
    PREFIX_BYTES + headerBytes,
  );
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.set(json, PREFIX_BYTES);
  let position = PREFIX_BYTES + headerBytes;
  for (const chunk of chunks) {
    file.set(chunk, position);
    position += chunk.length;
  }
  return file;
}
