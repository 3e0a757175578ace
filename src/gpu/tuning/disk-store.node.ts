import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../files.ts';
import { cacheFolders, makeCacheFolder } from '../cache-folder.ts';
import type { TuningStore } from './records.ts';

/**
 * Tuning records as files `tuning-<key>.json` of a cache folder: the first of `folders` that can be written.
 * @param folders default those that SwiftShader is unpacked into (`SONOLIFT_CACHE`, the user's cache)
 */
export function diskTuningStore(folders: readonly string[] = cacheFolders()): TuningStore {
  const fileIn = (folder: string, key: string): string => join(folder, `tuning-${key}.json`);
  return {
    name: folders[0],
    async read(key) {
      for (const folder of folders) {
        try {
          return await readFile(fileIn(folder, key), 'utf8');
        } catch (error) {
          if (error instanceof Error && 'code' in error && error.code === 'ENOENT') continue;
          throw error;
        }
      }
      return undefined;
    },
    async write(key, text) {
      const reasons: string[] = [];
      for (const folder of folders) {
        try {
          makeCacheFolder(folder);
          await writeFileAtomic(fileIn(folder, key), text);
          return;
        } catch (error) {
          reasons.push(error instanceof Error ? error.message : String(error));
        }
      }
      throw new Error(reasons.join('; '));
    },
  };
}
