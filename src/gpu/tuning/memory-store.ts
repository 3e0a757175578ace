import type { TuningStore } from './records.ts';

/** Tuning records that live as long as the program. */
export function memoryTuningStore(): TuningStore {
  const texts = new Map<string, string>();
  return {
    name: 'in memory',
    read: async (key) => texts.get(key),
    write: async (key, text) => void texts.set(key, text),
  };
}
