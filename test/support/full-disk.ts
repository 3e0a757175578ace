/**
 * Preloaded into a program (`--import`): its disk runs full. Below the folder SONOLIFT_TEST_DISK there
 * is room for SONOLIFT_TEST_ROOM bytes; as on a real disk, the write that meets the end leaves a part
 * behind and fails with ENOSPC. A file-size limit would not do: software drivers keep device memory
 * in files.
 */
import fs from 'node:fs';
import promises, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { resolve, sep } from 'node:path';

const disk = resolve(process.env.SONOLIFT_TEST_DISK ?? '.') + sep;
let room = Number(process.env.SONOLIFT_TEST_ROOM ?? 0);

const isWatched = (path: unknown): boolean => resolve(String(path)).startsWith(disk);

/** What of the bytes still has room, and the error for what has not. */
function take(data: string | Uint8Array): { fits: Uint8Array; error: Error | undefined } {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  const fits = bytes.subarray(0, room);
  room -= fits.length;
  if (fits.length === bytes.length) return { fits, error: undefined };
  const full = new Error('ENOSPC: no space left on device, write');
  return { fits, error: Object.assign(full, { code: 'ENOSPC', syscall: 'write' }) };
}

const { openSync, closeSync, writeSync, writeFileSync } = fs;
const { open, writeFile } = promises;
const watched = new Set<number>();

fs.openSync = (path, ...rest) => {
  const descriptor = openSync(path, ...rest);
  if (isWatched(path)) watched.add(descriptor);
  return descriptor;
};
fs.closeSync = (descriptor) => {
  watched.delete(descriptor);
  closeSync(descriptor);
};
fs.writeSync = ((descriptor: number, data: Uint8Array) => {
  if (!watched.has(descriptor)) return writeSync(descriptor, data);
  const { fits, error } = take(data);
  const written = writeSync(descriptor, fits);
  if (error && fits.length === 0) throw error;
  return written;
}) as typeof writeSync;
fs.writeFileSync = ((path: string, data: string | Uint8Array, options: object) => {
  if (!isWatched(path)) return writeFileSync(path, data, options);
  const { fits, error } = take(data);
  writeFileSync(path, fits, options);
  if (error) throw error;
}) as typeof writeFileSync;
promises.open = async (path, ...rest) => {
  const handle = await open(path, ...rest);
  if (isWatched(path)) {
    const original = handle.writeFile.bind(handle);
    handle.writeFile = (async (data: string | Uint8Array) => {
      const { fits, error } = take(data);
      await original(fits);
      if (error) throw error;
    }) as FileHandle['writeFile'];
  }
  return handle;
};
promises.writeFile = (async (path: string, data: string | Uint8Array, options: object) => {
  if (!isWatched(path)) return writeFile(path, data, options);
  const { fits, error } = take(data);
  await writeFile(path, fits, options);
  if (error) throw error;
}) as typeof writeFile;
syncBuiltinESMExports();
