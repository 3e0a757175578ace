/**
 * The folder layout of the USEnhance 2023 challenge. Node only.
 *
 * ```
 * DIR/train_datasets/<organ>/low_quality/NNNN.png
 * DIR/train_datasets/<organ>/high_quality/NNNN.png
 * ```
 */
import { type Dirent, readdirSync, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { DataError } from '../errors.ts';
import { readFailure } from '../files.ts';
import { type ImageNotice, probeImage, readImageAsync } from './image.node.ts';
import { comparePairs, type PairName, type PairSource } from './pairs.ts';

/** One pair on disk. */
export interface PairFiles extends PairName {
  readonly low: string;
  readonly high: string;
}

const READABLE = new Set(['.png', '.jpg', '.jpeg']);
const UNSUPPORTED = new Set(['.tif', '.tiff', '.bmp', '.gif', '.webp', '.dcm', '.jp2', '.heic']);
const LOW = 'low_quality';
const HIGH = 'high_quality';
const ROOT = 'train_datasets';

function list(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (cause) {
    throw new DataError(`${folder}: expected a folder: ${readFailure(cause)}`, { cause });
  }
}

/** Names of the folders in `folder`, archive and system leftovers excluded, sorted. */
function subfolders(folder: string): string[] {
  const isFolder = (entry: Dirent): boolean =>
    entry.isDirectory() ||
    (entry.isSymbolicLink() &&
      statSync(join(folder, entry.name), { throwIfNoEntry: false })?.isDirectory() === true);
  return list(folder)
    .filter((entry) => !entry.name.startsWith('.') && !entry.name.startsWith('__'))
    .filter(isFolder)
    .map((entry) => entry.name)
    .sort();
}

/**
 * Paths of the images directly in a folder, sorted by name. Other files are passed over, except
 * image formats that cannot be read, which would otherwise vanish silently.
 * @throws DataError when the folder is missing, holds no image, or holds an unsupported format
 */
export function listImages(folder: string): string[] {
  const names = list(folder)
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => entry.name)
    .sort();
  const foreign = names.find((name) => UNSUPPORTED.has(extname(name).toLowerCase()));
  if (foreign !== undefined) {
    throw new DataError(
      `${join(folder, foreign)}: expected PNG or JPEG, found ${extname(foreign).slice(1)}`,
    );
  }
  const images = names.filter((name) => READABLE.has(extname(name).toLowerCase()));
  if (images.length === 0) {
    throw new DataError(`${folder}: expected PNG or JPEG images, found none`);
  }
  return images.map((name) => join(folder, name));
}

function byStem(folder: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const path of listImages(folder)) {
    const stem = basename(path, extname(path));
    const other = files.get(stem);
    if (other !== undefined) {
      throw new DataError(`${path}: expected one image called ${stem}, found also ${other}`);
    }
    files.set(stem, path);
  }
  return files;
}

function requireFolder(parent: string, name: string): string {
  const children = subfolders(parent);
  if (!children.includes(name)) {
    const found = children.length > 0 ? children.join(', ') : 'no folder';
    throw new DataError(`${join(parent, name)}: folder missing, found ${found} in ${parent}`);
  }
  return join(parent, name);
}

function checkSameSize(pair: PairFiles): void {
  const low = probeImage(pair.low);
  const high = probeImage(pair.high);
  if (low.width !== high.width || low.height !== high.height) {
    throw new DataError(
      `${pair.low}: expected ${high.width}x${high.height} as in ${pair.high}, ` +
        `found ${low.width}x${low.height}`,
    );
  }
}

function pairsOfOrgan(folder: string, organ: string): PairFiles[] {
  const low = byStem(requireFolder(folder, LOW));
  const high = byStem(requireFolder(folder, HIGH));
  for (const [stem, path] of low) {
    if (!high.has(stem)) {
      throw new DataError(`${path}: unpaired, expected ${join(folder, HIGH, basename(path))}`);
    }
  }
  const pairs: PairFiles[] = [];
  for (const [stem, path] of high) {
    const partner = low.get(stem);
    if (partner === undefined) {
      throw new DataError(`${path}: unpaired, expected ${join(folder, LOW, basename(path))}`);
    }
    pairs.push({ organ, name: stem, low: partner, high: path });
  }
  return pairs;
}

/**
 * Finds all pairs of a data folder, sorted by organ and name. `directory` is the parent of
 * `train_datasets`, or that folder itself (any folder of organ folders), or a folder that holds
 * `low_quality` and `high_quality` directly, whose organ is then called `all`. Pairs share a file
 * name; the ending (.png, .jpg, .jpeg) may differ. The header of every image is read.
 *
 * @throws DataError naming the path when a folder is missing or empty, a file has no partner, is no
 *   image, or differs in size from its partner
 */
export function findPairs(directory: string): PairFiles[] {
  let root = directory;
  let children = subfolders(root);
  if (children.includes(ROOT)) {
    root = join(directory, ROOT);
    children = subfolders(root);
  }
  let pairs: PairFiles[];
  if (children.includes(LOW) || children.includes(HIGH)) {
    pairs = pairsOfOrgan(root, 'all');
  } else if (children.length > 0) {
    pairs = children.flatMap((organ) => pairsOfOrgan(join(root, organ), organ));
  } else {
    throw new DataError(
      `${root}: expected ${ROOT}/<organ>/{${LOW},${HIGH}} or {${LOW},${HIGH}}, found no folders`,
    );
  }
  for (const pair of pairs) checkSameSize(pair);
  return pairs.sort(comparePairs);
}

/** The pairs of a folder (see {@link findPairs}) as a source that reads and decodes on demand. */
export function folderSource(pairs: readonly PairFiles[], notice?: ImageNotice): PairSource {
  return {
    pairs,
    async load(index) {
      const pair = pairs[index];
      if (!pair) throw new RangeError(`pair ${index} of ${pairs.length} does not exist`);
      const [low, high] = await Promise.all([
        readImageAsync(pair.low, notice),
        readImageAsync(pair.high, notice),
      ]);
      return { low, high };
    },
  };
}
