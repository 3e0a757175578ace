import type { Tensor } from '../autograd/tensor.ts';
import { NumericalError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Storage } from '../gpu/storage.ts';
import type { Method } from './method.ts';
import { scalerValues } from './precision.ts';

/** What a training step says of itself, by name. */
export interface StepValues {
  readonly losses: Readonly<Record<string, number>>;
  /** What loss scalers say; nothing under f32. */
  readonly scalers: Readonly<Record<string, number>>;
}

/**
 * Keeps the losses and loss scales of several steps of a method on the device, so that the host reads them back
 * once in a while, or at least all of a step at once: a browser takes milliseconds for every answer, Firefox a
 * tenth of a second.
 */
export class StepLog {
  private readonly gpu: Gpu;
  private readonly method: Method;
  private readonly capacity: number;
  private readonly names: {
    readonly losses: readonly string[];
    readonly scalers: readonly string[];
  };
  private readonly storage: Storage;
  private rows = 0;

  /** @param capacity steps between two reads */
  constructor(gpu: Gpu, method: Method, capacity: number) {
    this.gpu = gpu;
    this.method = method;
    this.capacity = capacity;
    this.names = {
      losses: method.lossNames,
      scalers: scalerValues(method).map(({ label }) => label),
    };
    this.storage = gpu.allocate(this.width * capacity * 4);
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

  /** Records copying what a step left: its losses, which the next may overwrite, and the scales of now. */
  append(losses: readonly Tensor[]): void {
    const values = [...losses, ...scalerValues(this.method)];
    values.forEach((value, column) => {
      const offset = 'offset' in value ? value.offset : 0;
      const at = (this.rows * this.width + column) * 4;
      this.gpu.copy(value.storage, this.storage, 4, offset, at);
    });
    this.rows++;
  }

  /** Reads all steps since the last call, in one transfer. */
  async drain(): Promise<StepValues[]> {
    const { width, rows } = this;
    const values = new Float32Array(await this.gpu.read(this.storage, width * rows));
    this.rows = 0;
    const { losses, scalers } = this.names;
    const named = (names: readonly string[], start: number): Record<string, number> =>
      Object.fromEntries(names.map((name, column) => [name, values[start + column]]));
    return Array.from({ length: rows }, (_, row) => ({
      losses: named(losses, row * width),
      scalers: named(scalers, row * width + losses.length),
    }));
  }

  dispose(): void {
    this.gpu.dispose(this.storage);
  }

  private get width(): number {
    return this.names.losses.length + this.names.scalers.length;
  }
}

/** Names of the losses that are not finite. */
export function nonFiniteLosses({ losses }: StepValues): string[] {
  return Object.keys(losses).filter((name) => !Number.isFinite(losses[name]));
}

/** @throws NumericalError naming the losses of a step that are not finite */
export function assertFiniteLosses(values: StepValues, step: number): void {
  const bad = nonFiniteLosses(values);
  if (bad.length) {
    throw new NumericalError(`step ${step}: loss ${bad.join(', ')} is not finite`);
  }
}
