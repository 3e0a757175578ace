import { FIT_MODES, type FitMode } from '../data/fit.ts';
import { UsageError } from '../errors.ts';
import { PROPOSED_DEFAULTS, type ProposedOptions } from '../methods/proposed.ts';
import { METHOD_NAMES } from '../run/method-state.ts';
import {
  booleanOption,
  numberOption,
  type OptionSpecs,
  optionalNumber,
  optionalString,
  type ParsedOptions,
  type ProgramSpec,
  stringOption,
} from '../run/options.ts';

/** Everything that determines a training run, resolved. */
export interface TrainConfiguration {
  readonly method: string;
  readonly methodOptions: ProposedOptions;
  readonly size: number;
  readonly fit: FitMode;
  readonly batch: number;
  /** Epochs to train, unless `steps` ends the run earlier. */
  readonly epochs: number;
  readonly steps: number | undefined;
  readonly learningRate: number;
  /** StepLR: multiply the learning rate by `lrGamma` every `lrEvery` epochs. */
  readonly lrEvery: number;
  readonly lrGamma: number;
  readonly seed: number;
  readonly splitSeed: number;
  readonly shuffle: boolean;
  readonly flip: boolean;
  readonly perceptual: string;
  /** Epochs between validations and between checkpoints. */
  readonly validateEvery: number;
  readonly checkpointEvery: number;
  /** Newest checkpoints kept, besides the first and the best. */
  readonly keep: number;
  /** Steps between two readings of the losses. */
  readonly readEvery: number;
}

/** Three halvings and two 4x4 convolutions of the discriminator leave one value of this. */
const SMALLEST_SIZE = 24;

const on = ['on', 'off'] as const;
const defaults = PROPOSED_DEFAULTS;

const OPTIONS: OptionSpecs = {
  data: {
    description: 'folder of image pairs in the USEnhance layout',
    what: 'DIR',
    required: true,
  },
  out: { description: 'run folder to write', what: 'RUN', required: true },
  method: { description: 'system to train', default: 'proposed', choices: METHOD_NAMES },
  size: {
    description: 'side of the training images in pixels',
    default: 256,
    integer: true,
    min: SMALLEST_SIZE,
    max: 4096,
  },
  fit: {
    description: 'bring images to size by cropping or resizing',
    default: 'crop',
    choices: FIT_MODES,
  },
  ngf: { description: 'generator width', default: defaults.ngf, integer: true, min: 1, max: 512 },
  ndf: {
    description: 'discriminator width',
    default: defaults.ndf,
    integer: true,
    min: 1,
    max: 512,
  },
  levels: {
    description: 'U-Net depth; default log2 of size, at most 8',
    type: 'number',
    integer: true,
    min: 2,
    max: 8,
  },
  batch: { description: 'images a step', default: 4, integer: true, min: 1, max: 1024 },
  epochs: { description: 'epochs to train', default: 300, integer: true, min: 1 },
  steps: { description: 'stop after this many steps', type: 'number', integer: true, min: 1 },
  lr: { description: 'learning rate of Adam', default: 3e-4, min: 0, max: 1 },
  'lr-every': {
    description: 'epochs between two decays of the learning rate',
    default: 100,
    integer: true,
    min: 1,
  },
  'lr-gamma': { description: 'factor of a decay', default: 0.5, min: 0, max: 1 },
  beta1: { description: 'Adam, first moment', default: defaults.beta1, min: 0, max: 0.999999 },
  beta2: { description: 'Adam, second moment', default: defaults.beta2, min: 0, max: 0.999999 },
  seed: {
    description: 'seed of initialisation, order, crops and dropout',
    default: 0,
    integer: true,
    min: 0,
    max: 2 ** 32 - 1,
  },
  'split-seed': {
    description: 'seed of the train/val/test split',
    default: 0,
    integer: true,
    min: 0,
    max: 2 ** 32 - 1,
  },
  perceptual: {
    description:
      'perceptual loss: LPIPS squeeze, alex or vgg (need --weights), random-features, none',
    default: 'vgg',
    choices: ['squeeze', 'alex', 'vgg', 'random-features', 'none'],
  },
  weights: { description: 'folder of perceptual weights (safetensors or .pth)', what: 'DIR' },
  dropout: { description: 'dropout probability', default: defaults.dropout, min: 0, max: 0.99 },
  'dropout-site': {
    description: 'where dropout acts',
    default: defaults.dropoutSite,
    choices: ['encoder', 'decoder', 'none'],
  },
  padding: {
    description: "border of the generators' convolutions",
    default: defaults.paddingMode,
    choices: ['zeros', 'reflect'],
  },
  'spectral-layers': {
    description: 'discriminator layers under spectral norm',
    default: '4',
    choices: ['4', '5'],
  },
  init: {
    description: 'initialiser: PyTorch default, or N(0, 0.02)',
    default: defaults.initialiser,
    choices: ['default', 'normal'],
  },
  smoothing: {
    description: 'label smoothing rule',
    default: defaults.smoothing,
    choices: ['paper', 'authors-bug'],
  },
  fakes: {
    description: "fakes of the generator's step",
    default: defaults.fakes,
    choices: ['auto', 'reuse', 'recompute'],
  },
  'lambda-adversarial': { description: 'loss weight', default: defaults.lambdaAdversarial, min: 0 },
  'lambda-cycle': { description: 'loss weight', default: defaults.lambdaCycle, min: 0 },
  'lambda-l1': { description: 'loss weight', default: defaults.lambdaL1, min: 0 },
  'lambda-perceptual': { description: 'loss weight', default: defaults.lambdaPerceptual, min: 0 },
  shuffle: { description: 'new order of the pairs every epoch', default: 'on', choices: on },
  flip: { description: 'mirror pairs at random', default: 'off', choices: on },
  'validate-every': {
    description: 'epochs between validations',
    default: 1,
    integer: true,
    min: 1,
  },
  'checkpoint-every': {
    description: 'epochs between checkpoints',
    default: 5,
    integer: true,
    min: 1,
  },
  keep: {
    description: 'newest checkpoints to keep, besides the first and the best',
    default: 2,
    integer: true,
    min: 1,
  },
  'read-every': {
    description: 'steps between two readings of the losses',
    default: 4,
    integer: true,
    min: 1,
    max: 1000,
  },
  config: { description: 'JSON file of options; flags override it', what: 'FILE' },
  'print-config': { description: 'print the resolved options as JSON and exit', default: false },
  resume: { description: 'go on from the newest checkpoint in --out', default: false },
  device: { description: 'auto, system, swiftshader, or part of an adapter name', what: 'NAME' },
};

export const TRAIN_PROGRAM: ProgramSpec = {
  command: 'npx tsx src/train',
  summary:
    'Trains an ultrasound enhancement model on pairs of low- and high-quality images.\nDefaults are those of the paper (Athreya et al. 2024).',
  options: OPTIONS,
};

/** Largest U-Net depth that a size allows: halvings until odd, at most 8. */
export function defaultLevels(size: number): number {
  let levels = 0;
  while (levels < 8 && size % 2 ** (levels + 1) === 0) levels++;
  return levels;
}

/**
 * Resolves parsed options.
 * @throws UsageError if options contradict each other
 */
export function trainConfiguration(values: ParsedOptions['values']): TrainConfiguration {
  const size = numberOption(values, 'size');
  const levels = optionalNumber(values, 'levels') ?? defaultLevels(size);
  if (levels < 2) {
    throw new UsageError(
      `--size ${size}: expected a multiple of 4, since the U-Net halves it at least twice`,
    );
  }
  if (size % 2 ** levels) {
    throw new UsageError(
      `--size ${size}: expected a multiple of ${2 ** levels} for ${levels} U-Net levels`,
    );
  }
  const perceptual = stringOption(values, 'perceptual');
  const seed = numberOption(values, 'seed');
  const pick = <T extends string>(name: string): T => stringOption(values, name) as T;
  return {
    method: stringOption(values, 'method'),
    methodOptions: {
      ngf: numberOption(values, 'ngf'),
      ndf: numberOption(values, 'ndf'),
      levels,
      dropout: numberOption(values, 'dropout'),
      dropoutSite: pick<ProposedOptions['dropoutSite']>('dropout-site'),
      paddingMode: pick<ProposedOptions['paddingMode']>('padding'),
      spectralLayers: stringOption(values, 'spectral-layers') === '5' ? 5 : 4,
      initialiser: pick<ProposedOptions['initialiser']>('init'),
      smoothing: pick<ProposedOptions['smoothing']>('smoothing'),
      fakes: pick<ProposedOptions['fakes']>('fakes'),
      lambdaAdversarial: numberOption(values, 'lambda-adversarial'),
      lambdaCycle: numberOption(values, 'lambda-cycle'),
      lambdaL1: numberOption(values, 'lambda-l1'),
      lambdaPerceptual: perceptual === 'none' ? 0 : numberOption(values, 'lambda-perceptual'),
      beta1: numberOption(values, 'beta1'),
      beta2: numberOption(values, 'beta2'),
      seed,
    },
    size,
    fit: pick<FitMode>('fit'),
    batch: numberOption(values, 'batch'),
    epochs: numberOption(values, 'epochs'),
    steps: optionalNumber(values, 'steps'),
    learningRate: numberOption(values, 'lr'),
    lrEvery: numberOption(values, 'lr-every'),
    lrGamma: numberOption(values, 'lr-gamma'),
    seed,
    splitSeed: numberOption(values, 'split-seed'),
    shuffle: booleanOption(values, 'shuffle'),
    flip: booleanOption(values, 'flip'),
    perceptual,
    validateEvery: numberOption(values, 'validate-every'),
    checkpointEvery: numberOption(values, 'checkpoint-every'),
    keep: numberOption(values, 'keep'),
    readEvery: numberOption(values, 'read-every'),
  };
}

/** Folders and switches that do not change what is computed. */
export interface TrainPlaces {
  readonly data: string;
  readonly out: string;
  readonly weights: string | undefined;
  readonly resume: boolean;
  readonly device: string | undefined;
}

export function trainPlaces(values: ParsedOptions['values']): TrainPlaces {
  return {
    data: stringOption(values, 'data'),
    out: stringOption(values, 'out'),
    weights: optionalString(values, 'weights'),
    resume: booleanOption(values, 'resume'),
    device: optionalString(values, 'device'),
  };
}
