/** The program behind `npx tsx src/data/simulate`. Node only. */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { DataError, UsageError } from '../errors.ts';
import { writeError } from '../files.ts';
import { InterruptedError } from '../interruption.ts';
import { centreCrop, cropImage, FIT_MODES, type FitMode, resizeImage } from './fit.ts';
import { noticeOncePerFolder, readImage } from './image.node.ts';
import { encodePng } from './image.ts';
import { listImages } from './layout.node.ts';
import type { ImagePair } from './pairs.ts';
import { degrade, SIMULATED_SIZES, simulatePair } from './simulator/simulator.ts';
import { TISSUES, type Tissue } from './simulator/tissues.ts';

export const SIMULATE_HELP = `Writes pairs of simulated ultrasound pictures, low and high quality, in the USEnhance layout.

usage: npx tsx src/data/simulate --out DIR [options]

  --out DIR           new folder to write: train_datasets/<tissue>/{low,high}_quality/NNNN.png, MANIFEST.tsv
  --count N           pairs to make  [default: 50; with --from all images]
  --size S            side of the pictures, pixels, ${SIMULATED_SIZES.minimum} to ${SIMULATED_SIZES.maximum}  [default: 256]
  --seed K            whole number; the same seed gives the same pictures  [default: 1]
  --tissue T          only this tissue: ${TISSUES.join(', ')}  [default: in turn]
  --fresh-speckle X   on: the hand-held scan has scatterers of its own; off: the same, seen at its
                      frequency  [default: off]
  --from DIR          degrade the high-quality images (PNG, JPEG) of DIR instead of simulating tissue
  --fit F             with --from: crop (centre) or resize to S  [default: crop]
  --help              this text
`;

interface SimulateOptions {
  readonly out: string;
  readonly count: number | undefined;
  readonly size: number;
  readonly seed: number;
  readonly tissue: Tissue | undefined;
  readonly freshSpeckle: boolean;
  readonly from: string | undefined;
  readonly fit: FitMode;
}

function parseValues(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        out: text,
        count: text,
        size: text,
        seed: text,
        tissue: text,
        'fresh-speckle': text,
        from: text,
        fit: text,
        help: { type: 'boolean' },
      },
    }).values;
  } catch (cause) {
    const reason = (cause instanceof Error ? cause.message : String(cause)).split('\n')[0];
    throw new UsageError(`simulate: ${reason} (see --help)`, { cause });
  }
}

function wholeNumber(name: string, text: string, minimum: number, maximum: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= minimum && value <= maximum)) {
    throw new UsageError(
      `simulate: --${name} expects a whole number from ${minimum} to ${maximum}, found "${text}"`,
    );
  }
  return value;
}

function choice<T extends string>(name: string, text: string, choices: readonly T[]): T {
  const found = choices.find((each) => each === text);
  if (found === undefined) {
    throw new UsageError(`simulate: --${name} expects ${choices.join(', ')}, found "${text}"`);
  }
  return found;
}

function readOptions(values: ReturnType<typeof parseValues>): SimulateOptions {
  const { out, from, tissue } = values;
  if (!out) throw new UsageError('simulate: --out DIR is missing (see --help)');
  for (const name of ['tissue', 'fresh-speckle'] as const) {
    if (from !== undefined && values[name] !== undefined) {
      throw new UsageError(`simulate: --${name} has no effect with --from`);
    }
  }
  if (from === undefined && values.fit !== undefined) {
    throw new UsageError('simulate: --fit needs --from');
  }
  const { minimum, maximum } = SIMULATED_SIZES;
  return {
    out,
    from,
    count: values.count === undefined ? undefined : wholeNumber('count', values.count, 1, 9999),
    size: wholeNumber('size', values.size ?? '256', minimum, maximum),
    seed: wholeNumber('seed', values.seed ?? '1', 0, Number.MAX_SAFE_INTEGER - 1),
    tissue: tissue === undefined ? undefined : choice('tissue', tissue, TISSUES),
    freshSpeckle: choice('fresh-speckle', values['fresh-speckle'] ?? 'off', ['on', 'off']) === 'on',
    fit: choice('fit', values.fit ?? 'crop', FIT_MODES),
  };
}

interface NamedPair extends ImagePair {
  readonly organ: string;
  readonly source: string;
}

/** The pairs to write, made one at a time. */
function* makePairs(
  options: SimulateOptions,
  report: (line: string) => void,
): Generator<NamedPair> {
  const { size, seed, tissue, freshSpeckle, from, fit } = options;
  if (from === undefined) {
    for (let index = 0; index < (options.count ?? 50); index++) {
      yield { ...simulatePair(seed, index, { size, tissue, freshSpeckle }), source: 'simulated' };
    }
    return;
  }
  const paths = listImages(from);
  const count = options.count ?? paths.length;
  if (count > paths.length) {
    throw new DataError(`${from}: expected at least ${count} images, found ${paths.length}`);
  }
  const notice = noticeOncePerFolder(report);
  for (const [index, path] of paths.slice(0, count).entries()) {
    const image = readImage(path, notice);
    if (fit === 'crop' && (image.width < size || image.height < size)) {
      notice(path, `images smaller than ${size}x${size} are continued by reflection`);
    }
    const high =
      fit === 'resize'
        ? resizeImage(image, size, size)
        : cropImage(image, size, centreCrop(image.width, image.height, size));
    yield { high, low: degrade(high, { seed, index }), organ: 'degraded', source: basename(path) };
  }
}

async function writePairs(
  folder: string,
  options: SimulateOptions,
  report: (line: string) => void,
  isInterrupted: () => boolean,
): Promise<number> {
  const manifest = ['number\torgan\tsource\tseed\tindex\tsize'];
  let index = 0;
  for (const pair of makePairs(options, report)) {
    if (isInterrupted()) {
      throw new InterruptedError(`${options.out}: interrupted, nothing was written`);
    }
    const number = String(index + 1).padStart(4, '0');
    for (const quality of ['low', 'high'] as const) {
      const target = join(folder, 'train_datasets', pair.organ, `${quality}_quality`);
      await mkdir(target, { recursive: true });
      await writeFile(join(target, `${number}.png`), encodePng(pair[quality]));
    }
    const { seed, size } = options;
    manifest.push([number, pair.organ, pair.source, seed, index, size].join('\t'));
    index++;
  }
  await writeFile(join(folder, 'MANIFEST.tsv'), `${manifest.join('\n')}\n`);
  return index;
}

/**
 * Runs the program: the output folder appears complete or not at all.
 *
 * @param args the command line after the program's name
 * @param print receives the result or the help text
 * @param report receives notices
 * @param isInterrupted asked before every pair is written; true ends the program without output
 * @throws UsageError for an unknown option or a value out of range
 * @throws DataError when the output exists already or cannot be written, or an input is unreadable
 * @throws InterruptedError when told to stop
 */
export async function simulateCommand(
  args: readonly string[],
  print: (text: string) => void,
  report: (line: string) => void,
  isInterrupted: () => boolean = () => false,
): Promise<void> {
  const values = parseValues(args);
  if (values.help) {
    print(SIMULATE_HELP);
    return;
  }
  const options = readOptions(values);
  const target = resolve(options.out);
  if (existsSync(target) && (!isEmptyFolder(target) || target === process.cwd())) {
    throw new DataError(`${options.out}: expected a new or empty folder, found existing files`);
  }
  const staging = join(
    dirname(target),
    `.${basename(target)}.tmp-${randomBytes(6).toString('hex')}`,
  );
  try {
    await mkdir(staging, { recursive: true });
    const count = await writePairs(staging, options, report, isInterrupted);
    await rename(staging, target);
    print(`${options.out}: ${count} pairs of ${options.size}x${options.size}\n`);
  } catch (error) {
    // What went wrong first is what the user must hear, not that cleaning up failed as well.
    await rm(staging, { recursive: true, force: true }).catch(() => undefined);
    throw writeError(options.out, error);
  }
}

function isEmptyFolder(path: string): boolean {
  try {
    return readdirSync(path).length === 0;
  } catch {
    // A file, or a folder that cannot be read: either way not to be replaced.
    return false;
  }
}
