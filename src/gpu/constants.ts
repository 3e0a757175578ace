import { STORAGE_USAGE } from './pool.ts';
import { Storage } from './storage.ts';

/** WebGPU's default alignment of a storage binding's offset. */
const ALIGNMENT = 256;
const ARENA_BYTES = 64 * 1024;

/**
 * Small read-only storages found by their content, so that kernels can take sizes as data: one
 * pipeline then serves all sizes, and a steady step uploads nothing. They live as long as the device.
 */
export class ConstantCache {
  private readonly device: GPUDevice;
  private readonly storages = new Map<string, Storage>();
  /** Lists asked for before: remembered plans come with the very same ones every step. */
  private readonly lists = new WeakMap<readonly number[], Storage>();
  private arena: GPUBuffer | undefined;
  private used = 0;

  constructor(device: GPUDevice) {
    this.device = device;
  }

  /** A storage holding these 32-bit words. */
  get(words: readonly number[]): Storage {
    const known = this.lists.get(words);
    if (known) return known;
    const key = words.join();
    let storage = this.storages.get(key);
    if (!storage) {
      storage = this.place(Uint32Array.from(words));
      this.storages.set(key, storage);
    }
    this.lists.set(words, storage);
    return storage;
  }

  private place(words: Uint32Array): Storage {
    const bytes = Math.ceil(Math.max(words.byteLength, 1) / ALIGNMENT) * ALIGNMENT;
    if (!this.arena || this.used + bytes > this.arena.size) {
      const size = Math.max(bytes, ARENA_BYTES);
      this.arena = this.device.createBuffer({ size, usage: STORAGE_USAGE });
      this.used = 0;
    }
    // No recorded command knows this part of the arena yet, so writing now is in order.
    this.device.queue.writeBuffer(
      this.arena,
      this.used,
      words.buffer,
      words.byteOffset,
      words.byteLength,
    );
    const storage = new Storage(words.byteLength, { buffer: this.arena, offset: this.used });
    this.used += bytes;
    return storage;
  }
}
