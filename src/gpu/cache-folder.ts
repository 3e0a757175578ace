import { lstatSync, mkdirSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

/** The operating system's folder for a user's caches; undefined when the user has no home. */
function userCacheFolder(): string | undefined {
  const { LOCALAPPDATA, XDG_CACHE_HOME } = process.env;
  if (process.platform === 'win32' && LOCALAPPDATA) return LOCALAPPDATA;
  if (XDG_CACHE_HOME) return XDG_CACHE_HOME;
  const home = homedir();
  if (!home) return undefined;
  return process.platform === 'darwin' ? join(home, 'Library', 'Caches') : join(home, '.cache');
}

/** Carries the user's id, since the temporary folder is everybody's. */
const temporaryFolder = () => join(tmpdir(), `sonolift-${process.getuid?.() ?? 'cache'}`);

/**
 * Folders to try for files that may be made again at any time, best first: `SONOLIFT_CACHE` if set,
 * else the user's cache folder; then one in the temporary folder.
 */
export function cacheFolders(): string[] {
  const user = userCacheFolder();
  const first = process.env.SONOLIFT_CACHE || (user && join(user, 'sonolift'));
  return first ? [first, temporaryFolder()] : [temporaryFolder()];
}

/**
 * Makes a cache folder. One in the temporary folder must be the user's own, since programs are loaded
 * from it and anybody could have made it first.
 *
 * @throws Error when it cannot be made, or is another user's
 */
export function makeCacheFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (folder !== temporaryFolder() || process.getuid === undefined) return;
  const stat = lstatSync(folder);
  if (!stat.isDirectory() || stat.uid !== process.getuid()) {
    throw new Error('belongs to another user');
  }
}
