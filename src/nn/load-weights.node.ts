/** Weights from files of a folder. Node only. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../errors.ts';
import type { HostTensor } from './host-tensor.ts';
import {
  type FloatTensor,
  LINEAR_STEMS,
  type LpipsName,
  linearWeights,
  parseWeights,
  TRUNK_STEMS,
  trunkWeights,
} from './load-weights.ts';

const EXTENSIONS = ['.safetensors', '.pth', '.pt'];

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const reasons: Record<string, string> = {
    ENOENT: 'does not exist',
    ENOTDIR: 'is not a folder',
    EISDIR: 'is a folder, expected a file',
    EACCES: 'permission denied',
  };
  return reasons[code] ?? `cannot be read: ${error instanceof Error ? error.message : error}`;
}

/**
 * Reads a safetensors or torch file; the content decides, not the extension.
 * @throws DataError naming the file if it is missing, damaged or of another format
 */
export async function loadWeightsFile(path: string): Promise<Map<string, HostTensor>> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new DataError(`weights file ${path}: ${reasonOf(cause)}`, { cause });
  }
  return parseWeights(bytes, path);
}

/**
 * The path of `<stem>.safetensors`, `.pth` or `.pt` in a folder, in this order of preference;
 * undefined if there is none.
 * @throws DataError if the folder is missing or unreadable
 */
export async function findWeights(folder: string, stem: string): Promise<string | undefined> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (cause) {
    throw new DataError(`weights folder ${folder}: ${reasonOf(cause)}`, { cause });
  }
  const found = EXTENSIONS.map((extension) => stem + extension).find((name) =>
    names.includes(name),
  );
  return found === undefined ? undefined : join(folder, found);
}

async function findFirst(folder: string, stems: readonly string[], what: string): Promise<string> {
  for (const stem of stems) {
    const path = await findWeights(folder, stem);
    if (path !== undefined) return path;
  }
  throw new DataError(
    `weights folder ${folder}: no ${what}: expected ${stems.join(' or ')} with one of ${EXTENSIONS.join(', ')}`,
  );
}

/**
 * Trunk and linear layers of one LPIPS variant from a weights folder (file names: TRUNK_STEMS and
 * LINEAR_STEMS).
 * @throws DataError naming folder and names looked for, or file, tensor, expected and found shape
 */
export async function loadPerceptualWeights(
  folder: string,
  name: LpipsName,
): Promise<{ trunk: Map<string, FloatTensor>; linear: Float32Array[] }> {
  const trunkFile = await findFirst(folder, TRUNK_STEMS[name], `${name} trunk`);
  const linearFile = await findFirst(folder, LINEAR_STEMS[name], `LPIPS linear layers of ${name}`);
  return {
    trunk: trunkWeights(await loadWeightsFile(trunkFile), name, trunkFile),
    linear: linearWeights(await loadWeightsFile(linearFile), name, linearFile),
  };
}
