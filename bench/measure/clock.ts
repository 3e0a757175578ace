import { availableParallelism } from 'node:os';
import { workerNanosecondsBetween, workerTimes } from '../worker-time.ts';
import type { Lapse, Stopwatch } from './stopwatch.ts';

/**
 * What a time in a table means.
 *
 *  - `cpu`: processor time of the driver's threads over the number of cores, which is what the work
 *    takes on idle cores, whatever else runs. For CPU adapters on Linux.
 *  - `wall`: time until the device has done the work.
 */
export type ClockKind = 'cpu' | 'wall';

/** Measures work on one device by the best clock there is for it. */
export class Clock implements Stopwatch {
  readonly kind: ClockKind;
  readonly cores = availableParallelism();

  /** @param adapter whether the work is done by this process's own threads, or by a GPU */
  constructor(adapter: 'cpu' | 'gpu') {
    this.kind = adapter === 'cpu' && workerTimes() !== undefined ? 'cpu' : 'wall';
  }

  /** One line that says what the times are. */
  get description(): string {
    return this.kind === 'cpu'
      ? `times are processor time of the driver's threads over ${this.cores} cores ("cpu/${this.cores}"); wall time beside it`
      : 'times are wall time, submission and waiting included';
  }

  /** Short name, for titles. */
  get name(): string {
    return this.kind === 'cpu' ? `cpu/${this.cores}` : 'wall';
  }

  async measure(work: () => Promise<void>): Promise<Lapse> {
    const before = workerTimes();
    const start = performance.now();
    await work();
    const wall = performance.now() - start;
    const after = workerTimes();
    if (this.kind === 'wall' || !before || !after) return { milliseconds: wall, wall };
    return { milliseconds: workerNanosecondsBetween(before, after) / 1e6 / this.cores, wall };
  }
}
