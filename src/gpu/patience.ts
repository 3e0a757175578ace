/** Shortest sleep worth its overhead, in milliseconds. */
const SHORTEST = 4;

/** Part of the expected time to sleep, so that a faster run is noticed. */
const SHARE = 0.85;

/** The first work includes compilation and says little; a low estimate only means more polling. */
const FIRST_SHARE = 0.25;

/** Kinds of work remembered. */
const MOST_KINDS = 64;

/**
 * Lets the main thread sleep while a software driver works. Dawn polls as long as a promise of the
 * device is pending, and on a CPU adapter that polling takes a core from the driver.
 *
 * How long a piece of work takes is known from the last time that one of as many dispatches was waited
 * for: the steps of a training run are alike. Work of a kind that was never seen is not slept through,
 * since what one dispatch costs says nothing about another.
 */
export class Patience {
  /** Milliseconds by number of dispatches. */
  private readonly known = new Map<number, number>();
  private readonly now: () => number;
  private waitingSince = 0;
  private dispatches = 0;

  /** @param now the time in milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.now = now;
  }

  /** Notes that work was submitted. */
  submitted(dispatches: number): void {
    if (this.dispatches === 0) this.waitingSince = this.now();
    this.dispatches += dispatches;
  }

  /** Milliseconds that a sleep should still take now. */
  get remaining(): number {
    const expected = (this.known.get(this.dispatches) ?? 0) * SHARE;
    return Math.max(0, this.waitingSince + expected - this.now());
  }

  /** Sleeps for most of the time that the submitted work should still take. */
  async sleep(): Promise<void> {
    const { remaining } = this;
    if (this.dispatches > 0 && remaining > SHORTEST) {
      await new Promise((resolve) => setTimeout(resolve, remaining));
    }
  }

  /** Notes that all submitted work is done. */
  done(): void {
    if (this.dispatches === 0) return;
    const measured = this.now() - this.waitingSince;
    const before = this.known.get(this.dispatches);
    // Never more than what was measured: an estimate that is too long shrinks with every sleep.
    const estimate =
      before === undefined ? measured * FIRST_SHARE : Math.min(measured, 0.5 * (before + measured));
    if (before === undefined && this.known.size >= MOST_KINDS) this.known.clear();
    this.known.set(this.dispatches, estimate);
    this.dispatches = 0;
  }
}
