import type { BufferRange, PooledRange } from './buffer-range.ts';
import type { Encoding, Operation } from './encoding.ts';
import type { Moment } from './moment.ts';
import type { Storage } from './storage.ts';

/** What the host does each time, and at which moment: none when it is recorded, as it knows it then. */
export type HostAction = (moment?: Moment) => void;

/** What a storage is filled with. */
export type HostData = Float32Array | Uint32Array | Int32Array;

/**
 * Commands that were recorded and submitted once, kept so that submitting them again takes neither a tape
 * nor a search for buffers: of a step, the calls to the device are left.
 *
 * It reads and writes the same buffers every time. Storages made before it (weights, moments, images) and
 * those it leaves behind (losses) must still be where they were. Buffers that it used and gave back are the
 * pool's, and serve others between two runs; they must be free again. Storages that were uploaded while it was
 * recorded are its own until `dispose`.
 */
export class Program {
  private readonly operations: Operation[] = [];
  private readonly actions: HostAction[] = [];
  /** Storages that the host filled, and with what. */
  private readonly uploads: { readonly storage: Storage; readonly data: Uint8Array }[] = [];
  private readonly scratch = new Set<PooledRange>();
  private readonly anchors: { readonly storage: Storage; readonly range: BufferRange }[] = [];
  /** Called once the commands are submitted. */
  onComplete: (() => void) | undefined;
  private complete = false;
  private disposed = false;
  private readonly queue: GPUQueue;
  private readonly endUse: (storage: Storage) => void;

  /**
   * Empty; `recordProgram` makes one with commands.
   * @param endUse takes note that the program uses a storage no more
   */
  constructor(queue: GPUQueue, endUse: (storage: Storage) => void) {
    this.queue = queue;
    this.endUse = endUse;
  }

  /** While recording: the host did this, and does it each time. */
  addAction(action: HostAction): void {
    this.actions.push(action);
  }

  /**
   * While recording: the host filled a storage with `data`, and fills it each time, with what `make` gives or
   * the same again (a kernel may have written to it). It keeps its memory till `dispose`.
   */
  addUpload(storage: Storage, data: HostData, make?: (moment?: Moment) => HostData): void {
    storage.pendingUses++;
    const { buffer, byteOffset, byteLength } = data;
    const bytes = new Uint8Array(buffer, byteOffset, byteLength).slice();
    this.uploads.push({ storage, data: make ? new Uint8Array() : bytes });
    this.actions.push((moment) => {
      const data = make?.(moment) ?? bytes;
      const { range } = storage;
      if (!range) return;
      this.queue.writeBuffer(
        range.buffer,
        range.offset,
        data.buffer,
        data.byteOffset,
        data.byteLength,
      );
    });
  }

  /** While the commands are encoded for the first time. */
  add(operation: Operation): void {
    this.operations.push(operation);
  }

  /** While the commands are encoded: a storage had memory from the pool and gave it back. */
  addScratch(range: PooledRange): void {
    this.scratch.add(range);
  }

  /** The commands are submitted. @param storages all that they use */
  close(storages: Iterable<Storage>): void {
    for (const storage of new Set(storages)) {
      if (storage.range) this.anchors.push({ storage, range: storage.range });
    }
    // What a storage holds that stays is not free, whoever had it in between.
    for (const { storage } of this.anchors) if (storage.lent) this.scratch.delete(storage.lent);
    this.complete = true;
    this.onComplete?.();
  }

  /** Whether all its buffers are where they were, and none of its scratch is in use. */
  get isRunnable(): boolean {
    if (!this.complete || this.disposed) return false;
    for (const { storage, range } of this.anchors) if (storage.range !== range) return false;
    for (const range of this.scratch) if (!range.free) return false;
    return true;
  }

  /** Does the host's part for a run at this moment. */
  prepare(moment: Moment): void {
    for (const action of this.actions) action(moment);
  }

  /** Encodes a run. */
  encode(encoding: Encoding): void {
    for (const operation of this.operations) encoding.add(operation);
  }

  /**
   * Whether another recording asks the device for the very same, and uploaded the same but for what is made
   * anew each time: two steps that differ in anything else cannot be repeated.
   */
  equals(other: Program): boolean {
    return (
      this.actions.length === other.actions.length &&
      this.operations.length === other.operations.length &&
      this.operations.every((operation, index) => isSame(operation, other.operations[index])) &&
      this.uploads.length === other.uploads.length &&
      this.uploads.every((upload, index) => isSameData(upload.data, other.uploads[index].data))
    );
  }

  /** Gives back what it holds: it cannot be run any more, but compared. */
  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    for (const { storage } of this.uploads) this.endUse(storage);
  }
}

function isSameData(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function isSame(a: Operation, b: Operation): boolean {
  if (a.kind === 'dispatch') {
    return (
      b.kind === 'dispatch' &&
      a.pipeline === b.pipeline &&
      a.group === b.group &&
      a.x === b.x &&
      a.y === b.y &&
      a.z === b.z
    );
  }
  if (b.kind === 'dispatch' || a.kind !== b.kind) return false;
  const sameSource =
    a.kind !== 'copy' ||
    (b.kind === 'copy' && a.source === b.source && a.sourceOffset === b.sourceOffset);
  return (
    sameSource && a.target === b.target && a.targetOffset === b.targetOffset && a.bytes === b.bytes
  );
}
