/** Files that appear whole or not at all. Node only. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DataError } from '../errors.ts';

let temporaryCount = 0;

/**
 * Writes a file through a temporary neighbour, `fsync` and `rename`, so that a reader or a crash
 * never meets half a file; the temporary file is removed on failure.
 * @throws DataError naming the file and the system's reason (disk full, no permission, …)
 */
export function writeFileAtomic(path: string, content: Uint8Array | string): void {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  const name = `.${basename(path)}.${process.pid}.${temporaryCount++}.tmp`;
  const temporary = join(dirname(path), name);
  try {
    const file = openSync(temporary, 'wx');
    try {
      let written = 0;
      while (written < bytes.length) written += writeSync(file, bytes, written);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw new DataError(`${path}: cannot be written: ${systemReason(cause)}`, { cause });
  }
}

/** The system's reason for a failed file operation, as one short line. */
export function systemReason(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const reasons: Record<string, string> = {
    ENOSPC: 'the disk is full',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EROFS: 'the file system is read-only',
    ENOENT: 'no such file or folder',
    ENOTDIR: 'a part of the path is not a folder',
    EISDIR: 'it is a folder',
    EEXIST: 'it exists already',
    EMFILE: 'too many open files',
  };
  return reasons[code] ?? (cause instanceof Error ? cause.message : String(cause));
}
