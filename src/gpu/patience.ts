/** Shortest sleep worth its overhead, in milliseconds. */
const SHORTEST = 4;

/** Part of the expected time to sleep, so that a faster run is noticed. */
const SHARE = 0.85;

/**
 * Lets the main thread sleep while a software driver works. Dawn polls as long as a promise of the
 * device is pending, and on a CPU adapter that polling takes a core from the driver. The time a
 * piece of work takes is expected from the dispatches it has and how long earlier ones took.
 */
export class Patience {
  private millisecondsPerDispatch = 0;
  private waitingSince = 0;
  private dispatches = 0;

  /** Notes that work was submitted. */
  submitted(dispatches: number): void {
    if (this.dispatches === 0) this.waitingSince = performance.now();
    this.dispatches += dispatches;
  }

  /** Sleeps for most of the time that the submitted work should still take. */
  async sleep(): Promise<void> {
    const expected = this.dispatches * this.millisecondsPerDispatch * SHARE;
    const left = this.waitingSince + expected - performance.now();
    if (this.dispatches > 0 && left > SHORTEST) {
      await new Promise((resolve) => setTimeout(resolve, left));
    }
  }

  /** Notes that all submitted work is done. */
  done(): void {
    if (this.dispatches === 0) return;
    const measured = (performance.now() - this.waitingSince) / this.dispatches;
    // The first work includes compilation and says little; a low estimate only means more polling.
    this.millisecondsPerDispatch =
      this.millisecondsPerDispatch === 0
        ? measured / 10
        : Math.min(measured, 0.5 * (this.millisecondsPerDispatch + measured));
    this.dispatches = 0;
  }
}
