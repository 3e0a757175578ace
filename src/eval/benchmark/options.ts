import { FIT_MODES, type FitMode } from '../../data/fit.ts';
import { UsageError } from '../../errors.ts';
import { methodLabel, methodsInTableOrder } from '../../methods/labels.ts';
import { PROTOCOLS, type Protocol } from '../../methods/method-kind.ts';
import { findMethod, METHOD_NAMES } from '../../methods/methods.ts';
import { PERCEPTUAL_NAMES } from '../../nn/perceptual/trunks.ts';
import type { ModelChoice } from '../../run/model.ts';
import {
  booleanOption,
  numberOption,
  optionalNumber,
  optionalString,
  type ParsedOptions,
  type ProgramSpec,
  stringOption,
} from '../../run/options.ts';

/** One row of the table to be: a method, or a variant of one with settings of its own. */
export interface Entry {
  /** The method's name, or `name+variant`; names its folder. */
  readonly id: string;
  readonly method: string;
  /** For people; says "(reconstructed)" where that is so. */
  readonly label: string;
}

/** What one benchmark does. */
export interface BenchmarkPlan {
  readonly data: string;
  readonly out: string;
  readonly entries: readonly Entry[];
  readonly seeds: readonly number[];
  /** Seeds of the split: each draws its own held-out images. */
  readonly folds: readonly number[];
  readonly steps: number | undefined;
  readonly epochs: number | undefined;
  readonly size: number;
  readonly fit: FitMode;
  readonly ngf: number | undefined;
  readonly ndf: number | undefined;
  readonly batch: number | undefined;
  readonly protocol: Protocol;
  /** Perceptual loss of the methods that have one; undefined for their own default. */
  readonly perceptual: string | undefined;
  /** Distances to score with; undefined for those whose weights are there. */
  readonly scoring: readonly string[] | undefined;
  readonly weights: string | undefined;
  readonly select: ModelChoice;
  /** Further training options by entry, method or `all`. */
  readonly settings: ReadonlyMap<string, ReadonlyMap<string, string>>;
  readonly device: string | undefined;
  /** CSV file that says which device made an organ's images. */
  readonly devices: string | undefined;
  readonly pictures: number;
  readonly printPlan: boolean;
  readonly job: string | undefined;
  readonly collect: boolean;
  readonly partial: boolean;
}

const seedList = 'comma-separated whole numbers';

export const BENCHMARK_PROGRAM: ProgramSpec = {
  command: 'npx tsx src/eval/benchmark',
  summary: `Trains every system of the paper's Table 2 under one budget, scores them beside "reference low" on the same
held-out images, and writes tables, figures and a report to OUT/results. What is done already is not done again.`,
  options: {
    data: {
      description: 'folder of image pairs in the USEnhance layout',
      what: 'DIR',
      required: true,
    },
    out: { description: 'folder of the benchmark, new or begun', what: 'OUT', required: true },
    methods: {
      description: `comma-separated systems of ${METHOD_NAMES.join(', ')}; NAME+VARIANT for one with settings of its own`,
      default: methodsInTableOrder().join(','),
      what: 'LIST',
    },
    seeds: { description: `seeds of training, ${seedList}`, default: '0', what: 'LIST' },
    folds: {
      description: `seeds of the train/val/test split, ${seedList}; each holds out other images`,
      default: '0',
      what: 'LIST',
    },
    steps: { description: 'budget: steps of each system', type: 'number', integer: true, min: 1 },
    epochs: {
      description: 'budget: epochs of each system; default that of the protocol',
      type: 'number',
      integer: true,
      min: 1,
    },
    size: { description: 'side of the images', default: 256, integer: true, min: 24, max: 4096 },
    fit: { description: 'crop or resize images to size', default: 'crop', choices: FIT_MODES },
    ngf: { description: 'generator width of all', type: 'number', integer: true, min: 1, max: 512 },
    ndf: {
      description: 'discriminator width of all',
      type: 'number',
      integer: true,
      min: 1,
      max: 512,
    },
    batch: {
      description: 'images a step of all',
      type: 'number',
      integer: true,
      min: 1,
      max: 1024,
    },
    protocol: {
      description: "paper, one optimiser, schedule and batch for all; or native, each system's own",
      default: 'paper',
      choices: PROTOCOLS,
    },
    perceptual: {
      description: `perceptual loss of the proposed method: ${PERCEPTUAL_NAMES.join(', ')} or none; default that of src/train`,
      what: 'NAME',
    },
    lpips: {
      description: `distances to score with, of ${PERCEPTUAL_NAMES.join(', ')}, or none; default those whose weights are there`,
      what: 'LIST',
    },
    weights: { description: 'folder of perceptual weights (safetensors or .pth)', what: 'DIR' },
    select: {
      description: 'which checkpoint to score: best on validation, or the latest',
      default: 'best',
      choices: ['best', 'latest'],
    },
    set: {
      description:
        'further options of src/train, SYSTEM.OPTION=VALUE, comma-separated; SYSTEM may be all (those that have it)',
      what: 'LIST',
    },
    device: { description: 'auto, system, swiftshader, or part of an adapter name', what: 'NAME' },
    devices: {
      description:
        'CSV for Table 1: organ,low_device,high_device,patients; default devices.csv in DIR if there is one',
      what: 'FILE',
    },
    pictures: {
      description: 'held-out images in the report',
      default: 24,
      integer: true,
      min: 0,
      max: 1000,
    },
    plan: { description: 'print one shell line a job and exit', default: false },
    job: { description: 'do this one job (fold-F/seed-S/SYSTEM) and exit', what: 'JOB' },
    collect: { description: 'train nothing: make the tables of what jobs left', default: false },
    partial: { description: 'make the tables even if jobs are missing', default: false },
  },
};

/** @throws UsageError naming the option whose value is wrong */
export function benchmarkPlan(values: ParsedOptions['values']): BenchmarkPlan {
  const entries = parseEntries(stringOption(values, 'methods'));
  const modes = ['plan', 'job', 'collect'].filter((name) => values[name]);
  if (modes.length > 1) {
    throw new UsageError(`--${modes[0]}, --${modes[1]}: expected one of them, found both`);
  }
  return {
    data: stringOption(values, 'data'),
    out: stringOption(values, 'out'),
    entries,
    seeds: parseSeeds('--seeds', stringOption(values, 'seeds')),
    folds: parseSeeds('--folds', stringOption(values, 'folds')),
    steps: optionalNumber(values, 'steps'),
    epochs: optionalNumber(values, 'epochs'),
    size: numberOption(values, 'size'),
    fit: stringOption(values, 'fit') as FitMode,
    ngf: optionalNumber(values, 'ngf'),
    ndf: optionalNumber(values, 'ndf'),
    batch: optionalNumber(values, 'batch'),
    protocol: stringOption(values, 'protocol') as Protocol,
    perceptual: optionalString(values, 'perceptual'),
    scoring: parseScoring(optionalString(values, 'lpips')),
    weights: optionalString(values, 'weights'),
    select: stringOption(values, 'select') as ModelChoice,
    settings: parseSettings(optionalString(values, 'set'), entries),
    device: optionalString(values, 'device'),
    devices: optionalString(values, 'devices'),
    pictures: numberOption(values, 'pictures'),
    printPlan: booleanOption(values, 'plan'),
    job: optionalString(values, 'job'),
    collect: booleanOption(values, 'collect'),
    partial: booleanOption(values, 'partial'),
  };
}

function parseEntries(list: string): Entry[] {
  const entries = list.split(',').map((text): Entry => {
    const id = text.trim();
    const [method, ...variant] = id.split('+');
    if (!findMethod(method)) {
      throw new UsageError(`--methods: expected some of ${METHOD_NAMES.join(', ')}, found ${id}`);
    }
    if (!/^[a-z0-9-]+(\+[A-Za-z0-9-]+)?$/.test(id)) {
      throw new UsageError(`--methods: expected NAME+VARIANT of letters, digits, -, found ${id}`);
    }
    const label = methodLabel(method);
    return { id, method, label: variant.length ? `${label}, ${variant[0]}` : label };
  });
  requireDistinct(
    '--methods',
    entries.map(({ id }) => id),
  );
  return entries;
}

function parseSeeds(option: string, list: string): number[] {
  const seeds = list.split(',').map((text) => {
    const seed = text.trim() === '' ? Number.NaN : Number(text);
    if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
      throw new UsageError(`${option}: expected whole numbers from 0, found ${text}`);
    }
    return seed;
  });
  requireDistinct(option, seeds);
  return seeds;
}

function requireDistinct(option: string, items: readonly (string | number)[]): void {
  const again = items.find((item, index) => items.indexOf(item) !== index);
  if (again !== undefined) throw new UsageError(`${option}: ${again} is there twice`);
}

function parseScoring(list: string | undefined): string[] | undefined {
  if (list === undefined) return undefined;
  if (list === 'none') return [];
  return list.split(',').map((text) => {
    const found = PERCEPTUAL_NAMES.find((name) => name === text.trim());
    if (found) return found;
    throw new UsageError(
      `--lpips: expected some of ${PERCEPTUAL_NAMES.join(', ')}, or none alone, found ${text}`,
    );
  });
}

/** What the benchmark decides itself, by the option that says it. */
const OWN: Readonly<Record<string, string>> = {
  ...{
    data: '--data',
    out: '--out',
    method: '--methods',
    seed: '--seeds',
    'split-seed': '--folds',
  },
  ...{ steps: '--steps', epochs: '--epochs', size: '--size', fit: '--fit', protocol: '--protocol' },
  ...{ weights: '--weights', device: '--device', resume: 'nothing', config: 'nothing' },
  ...{ 'print-config': 'nothing' },
};

function parseSettings(
  list: string | undefined,
  entries: readonly Entry[],
): Map<string, Map<string, string>> {
  const settings = new Map<string, Map<string, string>>();
  if (list === undefined) return settings;
  const known = new Set(['all', ...entries.flatMap(({ id, method }) => [id, method])]);
  for (const text of list.split(',')) {
    const [, target, option, value] = /^([^.=]+)\.([a-z0-9-]+)=(.+)$/.exec(text.trim()) ?? [];
    if (target === undefined) {
      throw new UsageError(`--set: expected SYSTEM.OPTION=VALUE, found ${text}`);
    }
    if (!known.has(target)) {
      throw new UsageError(`--set ${text}: expected one of ${[...known].join(', ')}`);
    }
    if (Object.hasOwn(OWN, option)) {
      throw new UsageError(`--set ${text}: ${option} is set by ${OWN[option]} for all systems`);
    }
    const group = settings.get(target) ?? new Map<string, string>();
    group.set(option, value);
    settings.set(target, group);
  }
  return settings;
}
