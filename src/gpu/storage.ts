import type { ElementType } from '../../kernels/element-types.ts';
import type { BufferRange, PooledRange } from './buffer-range.ts';

let nextStorageId = 1;

/**
 * A piece of device memory that a tensor owns. A storage made by `Recorder` commands has no buffer
 * until the commands are flushed: only then is known when it is used for the last time, so that its
 * buffer can serve others within the same submit.
 */
export class Storage {
  readonly id = nextStorageId++;
  /** Bytes in use, a multiple of 16 so that kernels may address it as vec4s. */
  readonly byteLength: number;
  /** Set while the storage has memory. */
  range: BufferRange | undefined;
  /** The pool's buffer that it has at present, if its memory is pooled. */
  lent: PooledRange | undefined;
  /** Whether memory goes back to the pool on release (not so for parts of an arena). */
  readonly pooled: boolean;
  /** Of a part: the arena, which keeps its memory as long as commands with the part wait. */
  readonly arena: Storage | undefined;
  /** The owner will record no further command with it. */
  released = false;
  /** Commands recorded but not yet submitted that use it. */
  pendingUses = 0;
  /** Set when a command that writes it was recorded, or data was uploaded. */
  written = false;
  /** The owner promises that the content never changes: what is made of it alone may be kept. */
  constant = false;
  /** Whether it outlives the commands that fill it. Decides which of the pool's buffers it gets. */
  lasting = false;
  /** Results of plan steps that depend on this constant storage alone, by kernel and sizes. */
  readonly derived = new Map<string, Storage>();
  /** What kernels find in it; they are made for it when they are recorded. */
  readonly elementType: ElementType;

  constructor(
    byteLength: number,
    range?: BufferRange,
    elementType: ElementType = 'f32',
    arena?: Storage,
  ) {
    this.byteLength = Math.max(16, Math.ceil(byteLength / 16) * 16);
    this.range = range;
    this.pooled = range === undefined;
    this.written = range !== undefined;
    this.elementType = elementType;
    this.arena = arena;
  }
}

/** Several storages seen as one. */
export interface StorageSpan {
  readonly storage: Storage;
  /** 32-bit elements of `storage` in front of each of them. */
  readonly starts: readonly number[];
}

/**
 * One storage that covers all of `storages`, so that a kernel binds them together: parts of one arena, or
 * a single storage. `undefined` where they do not lie in one buffer.
 */
export function spanOf(storages: readonly Storage[]): StorageSpan | undefined {
  if (storages.length === 1) return { storage: storages[0], starts: [0] };
  const buffer = storages[0]?.range?.buffer;
  let start = Number.POSITIVE_INFINITY;
  let end = 0;
  for (const { pooled, range, byteLength } of storages) {
    if (pooled || !range || range.buffer !== buffer) return undefined;
    start = Math.min(start, range.offset);
    end = Math.max(end, range.offset + byteLength);
  }
  if (!buffer) return undefined;
  return {
    storage: new Storage(end - start, { buffer, offset: start }, 'f32', storages[0].arena),
    starts: storages.map(({ range }) => ((range?.offset ?? start) - start) / 4),
  };
}

/** Whether two storages share memory: a kernel must not write both. */
export function overlaps(a: Storage, b: Storage): boolean {
  if (a === b) return true;
  if (!a.range || !b.range || a.range.buffer !== b.range.buffer) return false;
  const [first, second] = a.range.offset < b.range.offset ? [a, b] : [b, a];
  return (first.range?.offset ?? 0) + first.byteLength > (second.range?.offset ?? 0);
}

/** Anything that holds a storage: a tensor, or a storage itself. */
interface Holder {
  readonly storage: Storage;
}

/** All storages in a result: of tensors, in arrays, plain objects and maps. */
export function* collectStorages(value: unknown): Generator<Storage> {
  if (value instanceof Storage) yield value;
  else if (value instanceof Map) for (const item of value.values()) yield* collectStorages(item);
  else if (Array.isArray(value)) for (const item of value) yield* collectStorages(item);
  else if (typeof value === 'object' && value !== null) {
    const { storage } = value as Partial<Holder>;
    if (storage instanceof Storage) yield storage;
    else if (Object.getPrototypeOf(value) === Object.prototype) {
      for (const item of Object.values(value)) yield* collectStorages(item);
    }
  }
}
