import type { Gpu } from '../gpu/gpu.ts';
import type { Storage } from '../gpu/storage.ts';

/** One f32 on the device: a scalar tensor, or one number of a storage. */
export interface LoggedScalar {
  readonly storage: Storage;
  /** In bytes; default 0. */
  readonly offset?: number;
}

/**
 * Keeps the loss terms of several steps on the device, so that the host reads them back once in a
 * while instead of waiting for every step.
 */
export class LossLog {
  private readonly gpu: Gpu;
  private readonly width: number;
  private readonly capacity: number;
  private readonly storage: Storage;
  private rows = 0;

  /** @param width terms a step; @param capacity steps between two reads */
  constructor(gpu: Gpu, width: number, capacity: number) {
    this.gpu = gpu;
    this.width = width;
    this.capacity = capacity;
    this.storage = gpu.allocate(width * capacity * 4);
    gpu.keep(this.storage);
    gpu.clear(this.storage);
  }

  /** Whether `drain` is due. */
  get isFull(): boolean {
    return this.rows >= this.capacity;
  }

  get isEmpty(): boolean {
    return this.rows === 0;
  }

  /** Records copying one step's scalars. */
  append(terms: readonly LoggedScalar[]): void {
    terms.forEach(({ storage, offset = 0 }, column) => {
      const at = (this.rows * this.width + column) * 4;
      this.gpu.copy(storage, this.storage, 4, offset, at);
    });
    this.rows++;
  }

  /** Reads all steps since the last call, one array a step. */
  async drain(): Promise<Float32Array[]> {
    const values = new Float32Array(await this.gpu.read(this.storage, this.width * this.rows));
    const rows = Array.from({ length: this.rows }, (_, row) =>
      values.slice(row * this.width, (row + 1) * this.width),
    );
    this.rows = 0;
    return rows;
  }

  dispose(): void {
    this.gpu.dispose(this.storage);
  }
}
