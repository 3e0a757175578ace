/** Zip files of checkpoints and image pairs. */
import { unzipSync, zipSync } from 'fflate';
import { DataError } from 'sonolift';
import { STATE_FILE, stepFolderName } from 'sonolift/train';
import type { NamedFile } from './data.ts';

/** A zip of files that hardly compress. */
export function zipFiles(files: ReadonlyMap<string, Uint8Array>): Uint8Array<ArrayBuffer> {
  return zipSync(Object.fromEntries(files), { level: 0 });
}

/** A checkpoint folder as the programs write it, `step-NNNNNN/…`, zipped. */
export function zipCheckpoint(
  step: number,
  files: ReadonlyMap<string, Uint8Array>,
): Uint8Array<ArrayBuffer> {
  const folder = stepFolderName(step);
  return zipFiles(new Map([...files].map(([name, bytes]) => [`${folder}/${name}`, bytes])));
}

/** @throws DataError if it is no zip file, or a damaged one */
function unzip(bytes: Uint8Array, name: string): Record<string, Uint8Array> {
  try {
    return unzipSync(bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DataError(`${name}: expected a zip file, found none or damage: ${reason}`, { cause });
  }
}

/**
 * The files of the newest checkpoint among dropped files: a zip of one step's folder or of a whole
 * run's, or the files of one step's folder themselves.
 * @throws DataError if there is none
 */
export async function checkpointOf(
  dropped: readonly NamedFile[],
): Promise<{ name: string; files: Map<string, Uint8Array> }> {
  const entries: [path: string, bytes: Uint8Array][] = [];
  for (const { path, content } of dropped) {
    const bytes = new Uint8Array(await content.arrayBuffer());
    if (/\.zip$/i.test(path)) entries.push(...Object.entries(unzip(bytes, path)));
    else entries.push([path, bytes]);
  }
  const folders = entries
    .filter(([path]) => path.split('/').at(-1) === STATE_FILE)
    .map(([path]) => path.slice(0, -STATE_FILE.length))
    .sort((a, b) => stepOf(a) - stepOf(b));
  const newest = folders.at(-1);
  if (newest === undefined) {
    const names = dropped.map(({ path }) => path).join(', ');
    throw new DataError(`${names}: expected a checkpoint with its ${STATE_FILE}, found none`);
  }
  const inside = entries.filter(
    ([path]) => path.startsWith(newest) && !path.slice(newest.length).includes('/'),
  );
  const files = new Map(inside.map(([path, bytes]) => [path.slice(newest.length), bytes]));
  const name =
    newest.replace(/\/$/, '') || (dropped.length > 1 ? 'the chosen files' : dropped[0].path);
  return { name, files };
}

function stepOf(folder: string): number {
  return Number(/step-(\d+)\/$/.exec(folder)?.[1] ?? -1);
}

/** Files as they are, and what is in zips among them. */
export async function unpack(dropped: readonly NamedFile[]): Promise<NamedFile[]> {
  const files: NamedFile[] = [];
  for (const file of dropped) {
    if (!/\.zip$/i.test(file.path)) {
      files.push(file);
      continue;
    }
    const entries = unzip(new Uint8Array(await file.content.arrayBuffer()), file.path);
    for (const [path, bytes] of Object.entries(entries)) {
      files.push({ path, content: new Blob([bytes as Uint8Array<ArrayBuffer>]) });
    }
  }
  return files;
}
