import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs';
import { writeError, writeFileAtomic } from '../files.ts';

/** A record of one line, with the step it belongs to. */
export interface LogRecord {
  readonly step: number;
  readonly [field: string]: number | string | null;
}

/** Records of a JSON-lines file; a last line cut short by a kill is left out. */
export function readLog(path: string): LogRecord[] {
  if (!existsSync(path)) return [];
  const records: LogRecord[] = [];
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    try {
      if (line) records.push(JSON.parse(line) as LogRecord);
    } catch {
      break;
    }
  }
  return records;
}

/** Appends records to a JSON-lines file. */
export class RunLog {
  /** Step of the last record found on opening; -1 if there was none. */
  readonly lastStep: number;
  private readonly path: string;
  private readonly descriptor: number;

  /**
   * Opens a log for going on after `step`: later records, of a run that was killed after its last
   * checkpoint, are removed.
   */
  static async open(path: string, step: number): Promise<RunLog> {
    const kept = readLog(path).filter((record) => record.step <= step);
    await writeFileAtomic(path, kept.map((record) => `${JSON.stringify(record)}\n`).join(''));
    return new RunLog(path, kept.at(-1)?.step ?? -1);
  }

  private constructor(path: string, lastStep: number) {
    this.path = path;
    this.lastStep = lastStep;
    try {
      this.descriptor = openSync(path, 'a');
    } catch (error) {
      throw writeError(path, error);
    }
  }

  /** @throws DataError if the disk is full; no part of the records stays then */
  append(records: readonly LogRecord[]): void {
    if (!records.length) return;
    const text = records.map((record) => `${JSON.stringify(record)}\n`).join('');
    const { size } = fstatSync(this.descriptor);
    try {
      // One call may write a part only, where the disk fills up.
      for (let rest = Buffer.from(text); rest.length; ) {
        rest = rest.subarray(writeSync(this.descriptor, rest));
      }
    } catch (error) {
      ftruncateSync(this.descriptor, size);
      throw writeError(this.path, error);
    }
  }

  /** Makes sure that what was appended is on disk. */
  sync(): void {
    try {
      fsyncSync(this.descriptor);
    } catch (error) {
      throw writeError(this.path, error);
    }
  }

  close(): void {
    closeSync(this.descriptor);
  }
}
