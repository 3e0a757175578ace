import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { writeFileAtomic } from '../files.ts';

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
  private readonly descriptor: number;

  /**
   * Opens a log for going on after `step`: later records, of a run that was killed after its last
   * checkpoint, are removed.
   */
  static async open(path: string, step: number): Promise<RunLog> {
    const kept = readLog(path).filter((record) => record.step <= step);
    await writeFileAtomic(path, kept.map((record) => `${JSON.stringify(record)}\n`).join(''));
    return new RunLog(path);
  }

  private constructor(path: string) {
    this.descriptor = openSync(path, 'a');
  }

  append(records: readonly LogRecord[]): void {
    if (records.length) {
      writeSync(this.descriptor, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
    }
  }

  /** Makes sure that what was appended is on disk. */
  sync(): void {
    fsyncSync(this.descriptor);
  }

  close(): void {
    closeSync(this.descriptor);
  }
}
