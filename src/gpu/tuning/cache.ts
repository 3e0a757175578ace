import {
  formatRecords,
  parseRecords,
  type TuningRecord,
  type TuningRecords,
  type TuningStore,
  textHash,
} from './records.ts';

/**
 * What was measured on one adapter with one driver, remembered in a store. A cache is never needed: what
 * cannot be read is reported and renewed, what cannot be written is reported.
 */
export class TuningCache {
  private readonly store: TuningStore;
  private readonly adapter: string;
  private readonly log: (line: string) => void;

  /** @param adapter everything that tells adapter and driver from others */
  constructor(store: TuningStore, adapter: string, log: (line: string) => void) {
    this.store = store;
    this.adapter = adapter;
    this.log = log;
  }

  private get key(): string {
    return textHash(this.adapter);
  }

  /** All records of the adapter. */
  async load(): Promise<TuningRecords> {
    let text: string | undefined;
    try {
      text = await this.store.read(this.key);
      return text === undefined ? new Map() : parseRecords(text, this.adapter);
    } catch (error) {
      const after = text === undefined ? 'nothing is known' : 'it is ignored and will be renewed';
      this.log(`tuning cache ${this.store.name} ${this.key}: ${messageOf(error)}; ${after}`);
      return new Map();
    }
  }

  /**
   * Adds records, or replaces those of the same classes. What other processes have added meanwhile
   * stays; of two that write at the same moment one may have to measure again.
   */
  async add(records: ReadonlyMap<string, TuningRecord>): Promise<void> {
    const all = new Map([...(await this.load()), ...records]);
    try {
      await this.store.write(this.key, formatRecords(this.adapter, all));
    } catch (error) {
      this.log(`tuning cache ${this.store.name} ${this.key}: not written: ${messageOf(error)}`);
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
