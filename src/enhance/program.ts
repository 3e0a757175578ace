import { existsSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import type { ElementType } from '../../kernels/element-types.ts';
import { noticeOncePerFolder, readImageAsync, writePng } from '../data/image.node.ts';
import { listImages } from '../data/layout.node.ts';
import { DataError, UsageError } from '../errors.ts';
import { requireWritableFolder, writeError } from '../files.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Enhancer } from '../methods/method.ts';
import { openNodeGpu } from '../node.ts';
import { readBundledModel, readGeneratorFile } from '../run/bundled-model.ts';
import type { Architecture } from '../run/checkpoint-state.ts';
import { enhancedSize, enhanceImage } from '../run/enhance-image.ts';
import { enhancerFrom, generatorPlan } from '../run/enhancer.ts';
import {
  describeModel,
  MODEL_WEIGHTS_OPTION,
  type ModelChoice,
  type ModelWeights,
  openModel,
  readModel,
} from '../run/model.ts';
import {
  numberOption,
  optionalString,
  type ParsedOptions,
  PRECISION_OPTION,
  type ProgramSpec,
  precisionOption,
  stringOption,
  TUNE_OPTION,
  tuneOption,
} from '../run/options.ts';
import { runProgram } from '../run/program.ts';
import { type ImageSize, tuneEnhancer } from '../run/tune-enhancer.ts';

const SPEC: Omit<ProgramSpec, 'command'> = {
  summary: 'Enhances ultrasound images (PNG, JPEG; files or folders) with a trained model.',
  positionals: 'IN...',
  options: {
    checkpoint: {
      description: 'checkpoint folder, run folder or G_H.safetensors; default the bundled model',
      what: 'PATH',
    },
    out: { description: 'folder for the enhanced PNG files', what: 'DIR', required: true },
    select: {
      description: 'which checkpoint of a run folder: best on validation, or the latest',
      default: 'best',
      choices: ['best', 'latest'],
    },
    'model-weights': MODEL_WEIGHTS_OPTION,
    tile: {
      description: 'side of tiles for large images; 0 takes images whole',
      default: 0,
      integer: true,
      min: 0,
      max: 16384,
    },
    precision: PRECISION_OPTION,
    tune: TUNE_OPTION,
    device: { description: 'auto, system, swiftshader, or part of an adapter name', what: 'NAME' },
  },
};

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** What is enhanced with, whatever kind of file it came from. */
interface Model {
  /** For a line that says so. */
  readonly description: string;
  readonly architecture: Architecture;
  readonly skipped: readonly string[];
  readonly open: (gpu: Gpu, precision: ElementType) => Promise<Enhancer>;
}

/**
 * The program, also behind `npx sonolift enhance`.
 * @param command as a user types it, for help and messages
 * @param args what follows it
 */
export async function runEnhance(command: string, args: readonly string[]): Promise<void> {
  await runProgram({ ...SPEC, command }, (options) => enhanceFiles(command, options), args);
}

async function enhanceFiles(
  command: string,
  { values, positionals }: ParsedOptions,
): Promise<void> {
  if (!positionals.length) throw new UsageError(`no input images; see ${command} --help`);
  const out = stringOption(values, 'out');
  const tile = numberOption(values, 'tile');
  const jobs = outputNames(positionals.flatMap(expand), out);
  const model = await findModel(
    optionalString(values, 'checkpoint'),
    stringOption(values, 'select') as ModelChoice,
    optionalString(values, 'model-weights') as ModelWeights | undefined,
  );
  for (const line of model.skipped) print(`passed over: ${line}`);
  await requireWritableFolder(out);
  const notice = noticeOncePerFolder(print);
  // Every input is decoded once before the first is enhanced, so that a damaged one leaves nothing behind.
  const sizes = new Map<string, ImageSize>();
  for (const { source } of jobs) {
    const size = { batch: 1, ...enhancedSize(await readImageAsync(source, notice), tile) };
    sizes.set(`${size.width}x${size.height}`, size);
  }
  const gpu = await openNodeGpu({
    device: optionalString(values, 'device'),
    tune: tuneOption(values),
    log: print,
  });
  const precision = precisionOption(values);
  const enhancer = await model.open(gpu, precision);
  print(`model ${model.description}`);
  if (tile > 0) {
    print(
      'tiles: instance norm sees each tile on its own, so brightness may differ from a whole image',
    );
  }
  await tuneEnhancer(
    gpu,
    { architecture: model.architecture, precision },
    [...sizes.values()],
    print,
  );
  try {
    await mkdir(out, { recursive: true });
  } catch (error) {
    throw writeError(out, error);
  }
  for (const { source, target } of jobs) {
    const started = performance.now();
    const image = await readImageAsync(source, notice);
    const enhanced = await enhanceImage(gpu, enhancer, image, { tile });
    writePng(target, enhanced);
    const seconds = ((performance.now() - started) / 1000).toFixed(2);
    print(`${source} -> ${target} (${image.width}x${image.height}, ${seconds} s)`);
  }
  gpu.close();
}

async function findModel(
  path: string | undefined,
  select: ModelChoice,
  weights: ModelWeights | undefined,
): Promise<Model> {
  const isFile = path !== undefined && statSync(path, { throwIfNoEntry: false })?.isFile();
  if (path === undefined || isFile) {
    const file = path === undefined ? readBundledModel() : readGeneratorFile(path);
    const { architecture, tensors } = file;
    // A wrong architecture is found before anything is opened.
    await generatorPlan(architecture, file.path);
    const { step } = file.metadata;
    return {
      description: `${file.path}${step === undefined ? '' : ` (step ${step})`}`,
      architecture,
      skipped: [],
      open: (gpu, precision) => enhancerFrom(gpu, architecture, tensors, file.path, precision),
    };
  }
  const file = await readModel(path, select, weights);
  return {
    description: describeModel(file),
    architecture: file.architecture,
    skipped: file.skipped,
    open: async (gpu, precision) => (await openModel(gpu, file, precision)).method,
  };
}

function expand(path: string): string[] {
  if (!existsSync(path)) throw new DataError(`${path}: no such file or folder`);
  return statSync(path).isDirectory() ? listImages(path) : [path];
}

/** @throws UsageError if two inputs would be written to one file, or one over itself */
function outputNames(
  sources: readonly string[],
  out: string,
): { source: string; target: string }[] {
  const taken = new Map<string, string>();
  return sources.map((source) => {
    const target = join(out, `${basename(source, extname(source))}.png`);
    const other = taken.get(target);
    if (other) throw new UsageError(`${source} and ${other} would both be written to ${target}`);
    if (existsSync(target) && existsSync(source) && statSync(target).ino === statSync(source).ino) {
      throw new UsageError(`${source} would be overwritten; name another --out`);
    }
    taken.set(target, source);
    return { source, target };
  });
}
