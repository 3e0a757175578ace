import { DataError } from '../errors.ts';
import { bfloat16BitsToFloat32, halfBitsToFloat32 } from '../gpu/half-float.ts';
import { float32ToBfloat16Bits, float32ToHalfBits } from '../gpu/half-rounding.ts';

/** Bytes per element of every dtype that weights files may hold here (safetensors' names). */
export const DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
} as const;

export type HostDtype = keyof typeof DTYPE_BYTES;
export type HostData =
  | Float32Array
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array;

/**
 * A tensor in host memory, as it comes from or goes to a file. `dtype` is that of the file; every
 * floating dtype (F16, BF16, F32, F64) is held as Float32Array, integers as their own typed array
 * (BOOL as Uint8Array of 0 and 1, I64 and U64 as BigInt arrays). Row-major (C order).
 */
export interface HostTensor {
  dtype: HostDtype;
  shape: number[];
  data: HostData;
}

/** Whether a string from a file is a dtype that can be read. */
export function isHostDtype(text: unknown): text is HostDtype {
  return typeof text === 'string' && Object.hasOwn(DTYPE_BYTES, text);
}

/**
 * Number of elements of a shape, 1 for a scalar (`[]`).
 * Returns undefined if a dimension is not a non-negative integer or the product overflows 2^53.
 */
export function elementCount(shape: readonly unknown[]): number | undefined {
  let count = 1;
  for (const size of shape) {
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return undefined;
    count *= size;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return count;
}

function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/**
 * Little-endian bytes of a file → element values, copied. F64 is rounded to f32.
 * `bytes.length` must be a multiple of the element size (the callers have checked it).
 */
export function decodeElements(dtype: HostDtype, bytes: Uint8Array): HostData {
  // The copy starts a buffer of its own, so any element alignment is satisfied.
  const buffer = new Uint8Array(bytes).buffer;
  switch (dtype) {
    case 'F32':
      return new Float32Array(buffer);
    case 'F16':
      return Float32Array.from(new Uint16Array(buffer), halfBitsToFloat32);
    case 'BF16':
      return Float32Array.from(new Uint16Array(buffer), bfloat16BitsToFloat32);
    case 'F64':
      return Float32Array.from(new Float64Array(buffer));
    case 'BOOL':
    case 'U8':
      return new Uint8Array(buffer);
    case 'I8':
      return new Int8Array(buffer);
    case 'U16':
      return new Uint16Array(buffer);
    case 'I16':
      return new Int16Array(buffer);
    case 'U32':
      return new Uint32Array(buffer);
    case 'I32':
      return new Int32Array(buffer);
    case 'U64':
      return new BigUint64Array(buffer);
    case 'I64':
      return new BigInt64Array(buffer);
  }
}

/** The typed array class that holds a dtype in memory. */
function holderOf(dtype: HostDtype) {
  switch (dtype) {
    case 'F32':
    case 'F16':
    case 'BF16':
    case 'F64':
      return Float32Array;
    case 'BOOL':
    case 'U8':
      return Uint8Array;
    case 'I8':
      return Int8Array;
    case 'U16':
      return Uint16Array;
    case 'I16':
      return Int16Array;
    case 'U32':
      return Uint32Array;
    case 'I32':
      return Int32Array;
    case 'U64':
      return BigUint64Array;
    case 'I64':
      return BigInt64Array;
  }
}

/**
 * Element values → little-endian bytes of a file; F16 and BF16 are rounded to nearest even.
 * @throws DataError if data, shape and dtype of the tensor do not belong together.
 */
export function encodeElements(tensor: HostTensor, name: string): Uint8Array {
  const { dtype, shape, data } = tensor;
  const count = elementCount(shape);
  if (count !== data.length) {
    throw new DataError(
      `tensor ${name}: shape [${shape}] needs ${count ?? 'too many'} elements, found ${data.length}`,
    );
  }
  const holder = holderOf(dtype);
  if (!(data instanceof holder)) {
    throw new DataError(
      `tensor ${name}: dtype ${dtype} is held in ${holder.name}, found ${data.constructor.name}`,
    );
  }
  if (data instanceof Float32Array) {
    if (dtype === 'F16') return bytesOf(Uint16Array.from(data, float32ToHalfBits));
    if (dtype === 'BF16') return bytesOf(Uint16Array.from(data, float32ToBfloat16Bits));
    if (dtype === 'F64') return bytesOf(Float64Array.from(data));
  }
  return bytesOf(data);
}
