/** Image pairs that the training tab takes: simulated ones, or files in the USEnhance layout. */
import { DataError, encodePng, type GrayImage } from 'sonolift';
import {
  cachePairs,
  comparePairs,
  type PairName,
  type PairSource,
  simulatedSource,
} from 'sonolift/train';
import { readImageFile } from '../images/read-image.ts';

/** A file with its path below what was dropped. */
export interface NamedFile {
  readonly path: string;
  readonly content: Blob;
}

export type DataChoice =
  | {
      readonly kind: 'simulated';
      readonly count: number;
      readonly size: number;
      readonly seed: number;
    }
  | { readonly kind: 'files'; readonly files: readonly NamedFile[] };

/** Decoded images to keep. */
const CACHE_BYTES = 512 * 2 ** 20;

/** Opens a choice of data; nothing is decoded yet. */
export function openData(choice: DataChoice): PairSource {
  const source =
    choice.kind === 'simulated'
      ? simulatedFiles(choice.seed, choice.count, choice.size)
      : filePairs(choice.files);
  return cachePairs(source, CACHE_BYTES);
}

/** The pairs that `src/data/simulate` writes with these options, in 8 bits and in the order of files. */
function simulatedFiles(seed: number, count: number, size: number): PairSource {
  const source = simulatedSource(seed, count, { size });
  const order = source.pairs
    .map((pair, index) => ({ pair, index }))
    .sort((a, b) => comparePairs(a.pair, b.pair));
  return {
    pairs: order.map(({ pair }) => pair),
    async load(position) {
      const { low, high } = await source.load(order[position].index);
      return { low: rounded(low), high: rounded(high) };
    },
  };
}

/** An image as an 8-bit file gives it back. */
function rounded({ width, height, data }: GrayImage): GrayImage {
  const levels = data.map((value) => Math.round(255 * Math.min(1, Math.max(0, value))) / 255);
  return { width, height, data: levels };
}

interface PairFiles extends PairName {
  readonly low: NamedFile;
  readonly high: NamedFile;
}

const IMAGE = /\.(png|jpe?g|dcm)$/i;
const QUALITY = /^(low|high)_quality$/;

/** Organ, quality and stem from `…/<organ>/{low,high}_quality/<stem>.png`; the organ may be missing. */
function placeOf(
  path: string,
): { organ: string; quality: 'low' | 'high'; name: string } | undefined {
  const parts = path.split('/').filter(Boolean);
  const isHidden = parts.some((part) => part.startsWith('.') || part.startsWith('__'));
  const file = parts.at(-1) ?? '';
  const [, quality] = QUALITY.exec(parts.at(-2) ?? '') ?? [];
  if (isHidden || !quality || !IMAGE.test(file)) return undefined;
  const parent = parts.at(-3);
  return {
    organ: parent === undefined || parent === 'train_datasets' ? 'all' : parent,
    quality: quality === 'low' ? 'low' : 'high',
    name: file.replace(IMAGE, ''),
  };
}

/**
 * Pairs of files by organ and name, sorted as the programs sort those of a folder.
 * @throws DataError if there is no pair, or a file has no partner
 */
export function filePairs(files: readonly NamedFile[]): PairSource {
  const found = new Map<
    string,
    { organ: string; name: string; low?: NamedFile; high?: NamedFile }
  >();
  for (const file of files) {
    const place = placeOf(file.path);
    if (!place) continue;
    const { organ, name, quality } = place;
    const key = `${organ}/${name}`;
    const entry = found.get(key) ?? { organ, name };
    if (entry[quality])
      throw new DataError(`${file.path}: expected one such image of ${key}, found two`);
    found.set(key, { ...entry, [quality]: file });
  }
  const pairs: PairFiles[] = [];
  for (const { organ, name, low, high } of found.values()) {
    if (!low || !high) {
      const [there, missing] = low ? [low, 'high_quality'] : [high, 'low_quality'];
      throw new DataError(`${there?.path}: unpaired, expected an image of that name in ${missing}`);
    }
    pairs.push({ organ, name, low, high });
  }
  if (!pairs.length) {
    throw new DataError(
      `expected pairs as <organ>/low_quality/NNNN.png and <organ>/high_quality/NNNN.png, found ` +
        `${files.length} files and no pair among them`,
    );
  }
  pairs.sort(comparePairs);
  return {
    pairs,
    async load(index) {
      const { low, high } = pairs[index];
      const [lowImage, highImage] = await Promise.all(
        [low, high].map((file) => readImageFile(file.content, file.path)),
      );
      return { low: lowImage, high: highImage };
    },
  };
}

/** All pairs as files in the USEnhance layout, for the programs. */
export async function pairFiles(source: PairSource): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const [index, { organ, name }] of source.pairs.entries()) {
    const pair = await source.load(index);
    for (const quality of ['low', 'high'] as const) {
      files.set(`train_datasets/${organ}/${quality}_quality/${name}.png`, encodePng(pair[quality]));
    }
  }
  return files;
}
