/** Measuring how long work takes. Browser-safe. */
export interface Lapse {
  /** Milliseconds by the clock in use. */
  readonly milliseconds: number;
  readonly wall: number;
}

/** Whatever measures work. */
export interface Stopwatch {
  measure(work: () => Promise<void>): Promise<Lapse>;
}

/** Time on the wall, submission and waiting included: all that a page can know. */
export const WALL_CLOCK: Stopwatch = {
  async measure(work) {
    const start = performance.now();
    await work();
    const wall = performance.now() - start;
    return { milliseconds: wall, wall };
  },
};
