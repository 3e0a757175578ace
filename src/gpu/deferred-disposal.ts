import { UsageError } from '../errors.ts';

/**
 * Waits with giving memory back until the calls under way are done: others may take it at once, while those
 * calls still read it.
 */
export class DeferredDisposal {
  private readonly what: string;
  private readonly release: () => void;
  private underway = 0;
  private isDisposed = false;

  /**
   * @param what what is disposed of, for messages
   * @param release gives its memory back; called once
   */
  constructor(what: string, release: () => void) {
    this.what = what;
    this.release = release;
  }

  /**
   * Does work that needs the memory.
   * @throws UsageError after `dispose`; what the work throws
   */
  async use<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.isDisposed) throw new UsageError(`this ${this.what} was disposed of`);
    this.underway++;
    try {
      return await work();
    } finally {
      this.underway--;
      if (this.isDisposed && !this.underway) this.release();
    }
  }

  /** Gives the memory back, now or when the last work under way ends. */
  dispose(): void {
    if (this.isDisposed) return;
    this.isDisposed = true;
    if (!this.underway) this.release();
  }
}
