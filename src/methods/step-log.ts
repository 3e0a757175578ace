import type { Tensor } from '../autograd/tensor.ts';
import { NumericalError, UsageError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Storage } from '../gpu/storage.ts';
import type { Method } from './method.ts';
import { assertScales, scalerValues } from './precision.ts';

/** What a training step says of itself, by name. */
export interface StepValues {
  readonly losses: Readonly<Record<string, number>>;
  /** What loss scalers say; nothing under f32. */
  readonly scalers: Readonly<Record<string, number>>;
}

/** A step that was recorded: its losses on the device, and which it was. */
export interface TakenStep<About> {
  readonly losses: readonly Tensor[];
  readonly about: About;
}

/** Steps that a page may take before it asks for their losses. */
export const MOST_STEPS_AT_ONCE = 64;

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

  /**
   * Takes steps one after the other, submits each, and brings their losses back together.
   * @param count steps to take; must not be more than the log holds
   * @param take records a step, and says which it was; undefined where there is none left
   * @throws NumericalError naming losses or loss scales that are not finite, of the first step that has them
   */
  async gather<Step extends { readonly step: number }>(
    count: number,
    take: () => Promise<TakenStep<Step> | undefined>,
  ): Promise<(Step & Pick<StepValues, 'losses'>)[]> {
    if (!(Number.isInteger(count) && count >= 1 && count <= this.capacity)) {
      throw new UsageError(`steps at once must be 1 to ${this.capacity}, found ${count}`);
    }
    // Of a failed call before, which took its steps' losses along.
    this.rows = 0;
    const taken: Step[] = [];
    while (taken.length < count) {
      const next = await take();
      if (!next) break;
      this.append(next.losses);
      taken.push(next.about);
      await this.gpu.flush();
    }
    const values = await this.drain();
    return taken.map((about, index) => {
      assertFiniteLosses(values[index], about.step);
      assertScales(values[index].scalers, about.step);
      return { ...about, losses: values[index].losses };
    });
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
function assertFiniteLosses(values: StepValues, step: number): void {
  const bad = nonFiniteLosses(values);
  if (bad.length) {
    throw new NumericalError(`step ${step}: loss ${bad.join(', ')} is not finite`);
  }
}
