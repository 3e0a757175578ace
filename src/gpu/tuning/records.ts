import type { Verdict } from './verdict.ts';

/** A verdict as it is remembered. */
export interface TuningRecord extends Verdict {
  /** Sizes of the class at which the variant's result was compared with the default's. */
  readonly checked: readonly string[];
}

/** By shape class, followed by what tells the code of all its variants: other code has a record of its own. */
export type TuningRecords = ReadonlyMap<string, TuningRecord>;

/** Where records are remembered, a text by key: a folder of files, or a browser's database. */
export interface TuningStore {
  /** For messages. */
  readonly name: string;
  /** @returns undefined if there is nothing under the key */
  read(key: string): Promise<string | undefined>;
  /** Replaces what is under the key, so that readers see the old text or the new. */
  write(key: string, text: string): Promise<void>;
}

/** Version of the text's layout. */
const FORMAT = 1;

/** A number of 53 bits that tells texts apart (not those made to collide), in hexadecimal. */
export function textHash(text: string): string {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    high = Math.imul(high ^ code, 2654435761);
    low = Math.imul(low ^ code, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return (4294967296 * (2097151 & low) + (high >>> 0)).toString(16).padStart(14, '0');
}

/** The text that remembers records of an adapter. */
export function formatRecords(adapter: string, records: TuningRecords): string {
  const sorted = [...records].sort(([a], [b]) => (a < b ? -1 : 1));
  const content = { format: FORMAT, adapter, records: Object.fromEntries(sorted) };
  return `${JSON.stringify(content, null, 2)}\n`;
}

/**
 * Reads what {@link formatRecords} wrote.
 * @throws Error saying why it cannot be used: damaged, of another layout or adapter
 */
export function parseRecords(text: string, adapter: string): TuningRecords {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Error('damaged: not valid JSON');
  }
  if (!isObject(json)) throw new Error('damaged: not an object');
  if (json.format !== FORMAT) {
    throw new Error(`expected format ${FORMAT}, found ${JSON.stringify(json.format) ?? 'none'}`);
  }
  if (json.adapter !== adapter) throw new Error('is of another adapter or driver');
  if (!isObject(json.records)) throw new Error('damaged: field records is missing');
  const records = new Map<string, TuningRecord>();
  for (const [name, record] of Object.entries(json.records)) {
    if (!isRecord(record)) throw new Error(`damaged: record '${name}'`);
    records.set(name, record);
  }
  return records;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isRecord(value: unknown): value is TuningRecord {
  if (!isObject(value)) return false;
  const { variant, milliseconds, struckOff, checked } = value;
  return (
    typeof variant === 'string' &&
    Array.isArray(checked) &&
    checked.every((sizes) => typeof sizes === 'string') &&
    isObject(milliseconds) &&
    Object.values(milliseconds).every((time) => typeof time === 'number') &&
    isObject(struckOff) &&
    Object.values(struckOff).every((reason) => typeof reason === 'string')
  );
}
