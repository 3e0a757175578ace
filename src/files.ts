import { randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { access, constants, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { DataError } from './errors.ts';

/** Ends the name of a folder that a newer one of the same name is about to replace. */
export const REPLACED_SUFFIX = '.replaced';
const TEMPORARY = /^\..+\.tmp-[0-9a-f]{12}$/;

/** Whether a file or folder name is a temporary one of this module, left over from a kill. */
export function isTemporaryName(name: string): boolean {
  return TEMPORARY.test(name);
}

/** A hidden name in the same folder, hence on the same file system, where rename is atomic. */
function temporaryPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.tmp-${randomBytes(6).toString('hex')}`);
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** The operating system's reason for a failed read, as one short line. */
export function readFailure(cause: unknown): string {
  const reasons: Record<string, string> = {
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    ENOENT: 'no such file or folder',
    ENOTDIR: 'a part of the path is not a folder',
    EISDIR: 'it is a folder',
    EMFILE: 'too many open files',
  };
  return reasons[errorCode(cause)] ?? (cause instanceof Error ? cause.message : String(cause));
}

/**
 * The DataError of a failed write: "disk full" for no space, quota or file-size limit, else the
 * operating system's reason. Errors that are none of the operating system come back unchanged.
 */
export function writeError(path: string, error: unknown): unknown {
  const code = errorCode(error);
  if (['ENOSPC', 'EDQUOT', 'EFBIG'].includes(code)) {
    return new DataError(`${path}: disk full (${code}), nothing was written`, { cause: error });
  }
  const reasons: Record<string, string> = {
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EROFS: 'the file system is read-only',
    ENOENT: 'the folder does not exist',
    ENOTDIR: 'a part of the path is not a folder',
    EISDIR: 'is a folder',
    ENOTEMPTY: 'is a folder that is not empty',
    EEXIST: 'exists already',
    EIO: 'input/output error of the disk',
    EMFILE: 'too many open files',
    ENAMETOOLONG: 'the name is too long',
  };
  const isOfSystem = error instanceof Error && 'syscall' in error;
  const reason = reasons[code] ?? (isOfSystem ? error.message : undefined);
  if (reason === undefined) return error;
  return new DataError(`${path}: cannot write: ${reason} (${code})`, { cause: error });
}

/**
 * Checks, without writing anything, that a folder is one that files can be made in, or can itself be
 * made: its nearest existing ancestor is a folder with permission to write.
 * @throws DataError naming the path and the operating system's reason
 */
export async function requireWritableFolder(path: string): Promise<void> {
  let nearest = resolve(path);
  try {
    let found = await statIfAny(nearest);
    while (!found && dirname(nearest) !== nearest) {
      nearest = dirname(nearest);
      found = await statIfAny(nearest);
    }
    if (!found?.isDirectory()) {
      throw new DataError(`${path}: expected a folder, found that ${nearest} is a file`);
    }
    await access(nearest, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw writeError(path, error);
  }
}

/** What stands at a path; undefined if nothing does. */
async function statIfAny(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error))) return undefined;
    throw error;
  }
}

/** Writes a new file and waits until its bytes are on the disk. */
async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes renames inside a folder durable. Windows cannot open folders and does without. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await statIfAny(path))?.isDirectory() ?? false;
}

/**
 * Writes a file so that at any moment, power cuts included, the path holds either the old content
 * or the new: temporary file in the same folder, fsync, rename, fsync of the folder.
 * @throws DataError naming the path ("disk full" and other reasons of the operating system); the
 * temporary file is removed
 */
export async function writeFileAtomic(path: string, content: Uint8Array | string): Promise<void> {
  const target = resolve(path);
  const temporary = temporaryPath(target);
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  try {
    await writeSynced(temporary, bytes);
    await rename(temporary, target);
    await syncFolder(dirname(target));
  } catch (error) {
    await rm(temporary, { force: true });
    throw writeError(path, error);
  }
}

/**
 * Writes a whole folder so that it appears complete or not at all: temporary folder beside it,
 * every file and then the folder synced, rename, fsync of the parent (made if missing). Files come
 * one at a time, so only one need be in memory. A folder that stands at the path already is set
 * aside as `<path>.replaced` and removed last: a kill leaves it, or its successor, whole.
 * @param files name (`organ/0001.png` makes a folder) and bytes of each file, taken in turn
 * @throws DataError as in writeFileAtomic; the temporary folder is removed
 */
export async function writeFolderAtomic(
  path: string,
  files: Iterable<readonly [string, Uint8Array]> | AsyncIterable<readonly [string, Uint8Array]>,
): Promise<void> {
  const target = resolve(path);
  const parent = dirname(target);
  const temporary = temporaryPath(target);
  const replaced = `${target}${REPLACED_SUFFIX}`;
  let setAside = false;
  try {
    await mkdir(parent, { recursive: true });
    await mkdir(temporary);
    const folders = new Set([temporary]);
    for await (const [name, bytes] of files) {
      const file = join(temporary, name);
      await mkdir(dirname(file), { recursive: true });
      folders.add(dirname(file));
      await writeSynced(file, bytes);
    }
    for (const folder of folders) await syncFolder(folder);
    if (await isFolder(target)) {
      await rm(replaced, { recursive: true, force: true });
      await rename(target, replaced);
      setAside = true;
    }
    await rename(temporary, target);
    await syncFolder(parent);
    await rm(replaced, { recursive: true, force: true });
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    if (setAside && !(await isFolder(target))) await rename(replaced, target);
    throw writeError(path, error);
  }
}

/** Removes a folder so that a kill leaves it whole or gone: renamed to a temporary name first. */
export async function removeFolderAtomic(path: string): Promise<void> {
  const temporary = temporaryPath(resolve(path));
  await rename(path, temporary);
  await rm(temporary, { recursive: true, force: true });
}
