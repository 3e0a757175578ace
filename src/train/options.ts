import { FIT_MODES } from '../data/fit.ts';
import { PAIRINGS } from '../data/loader.ts';
import { GAN_MODES } from '../methods/gan-loss.ts';
import { PROTOCOLS } from '../methods/method-kind.ts';
import { METHOD_NAMES, METHODS } from '../methods/methods.ts';
import { PRECISIONS } from '../methods/precision.ts';
import { REGGAN_MODES } from '../methods/reggan.ts';
import { INITIALISERS } from '../nn/initialisers.ts';
import { NORM_NAMES } from '../nn/norm.ts';
import { DROPOUT_SITES, PADDING_MODES } from '../nn/unet.ts';
import { UPSAMPLES } from '../nn/upsample.ts';
import { type OptionSpecs, type ProgramSpec, TUNE_OPTION } from '../run/option-values.ts';

/** Three halvings and two 4x4 convolutions of the discriminator leave one value of this. */
const SMALLEST_SIZE = 24;

const on = ['on', 'off'] as const;

const whole = { type: 'number', integer: true, min: 1 } as const;
const real = { type: 'number', min: 0 } as const;

/** Says which methods are reconstructions. */
const METHOD_DESCRIPTION = [
  'system to train',
  ...METHODS.filter(({ name, label }) => label !== name).map(({ label }) => label),
].join('; ');

/** What has no default here takes that of the method and protocol. */
export const TRAIN_OPTIONS: OptionSpecs = {
  data: {
    description: 'folder of image pairs in the USEnhance layout',
    what: 'DIR',
    required: true,
  },
  out: { description: 'run folder to write', what: 'RUN', required: true },
  method: { description: METHOD_DESCRIPTION, default: 'proposed', choices: METHOD_NAMES },
  protocol: {
    description:
      "what is not said: paper, one optimiser, schedule and batch for all; or native, each method's own",
    default: 'paper',
    choices: PROTOCOLS,
  },
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
  ngf: { description: 'generator width', ...whole, max: 512 },
  ndf: { description: 'discriminator width', ...whole, max: 512 },
  levels: {
    description: 'U-Net depth; default log2 of size, at most 8',
    ...whole,
    min: 2,
    max: 8,
  },
  blocks: {
    description:
      'residual blocks of a ResNet generator; of MSPGAN, on either side of its transformer',
    ...whole,
    max: 64,
  },
  layers: { description: 'layers of the transformer', ...whole, max: 64 },
  heads: { description: 'attention heads of the transformer', ...whole, max: 64 },
  superpixels: {
    description:
      'about how many superpixels an image is cut into; default 256, fewer below 256 pixels',
    ...whole,
    max: 4096,
  },
  'smc-width': { description: 'width of the MLPs that compare superpixels', ...whole, max: 4096 },
  mode: {
    description: 'RegGAN: with cycles (C) or without, with registration (R)',
    choices: REGGAN_MODES,
  },
  nrf: { description: 'width of the registration network', ...whole, max: 512 },
  'registration-levels': { description: 'depth of the registration network', ...whole, max: 7 },
  norm: { description: 'normalisation', choices: NORM_NAMES },
  batch: { description: 'images a step', ...whole, max: 1024 },
  epochs: { description: 'epochs to train', ...whole },
  steps: { description: 'stop after this many steps', ...whole },
  lr: { description: 'learning rate of Adam', ...real, max: 1 },
  schedule: {
    description: 'learning rate: falling in steps; constant, then falling to 0; or constant',
    choices: ['step', 'linear', 'constant'],
  },
  'lr-every': { description: 'step: epochs between two decays', ...whole },
  'lr-gamma': { description: 'step: factor of a decay', ...real, max: 1 },
  'lr-decay': { description: 'linear: epochs of decay at the end; default half of all', ...whole },
  beta1: { description: 'Adam, first moment', ...real, max: 0.999999 },
  beta2: { description: 'Adam, second moment', ...real, max: 0.999999 },
  precision: {
    description:
      "how networks' activations and their gradients are stored: f32, or f16 (half the memory; needs shader-f16); weights, sums and losses are f32 in any case",
    choices: PRECISIONS,
  },
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
    choices: ['squeeze', 'alex', 'vgg', 'random-features', 'none'],
  },
  weights: { description: 'folder of perceptual weights (safetensors or .pth)', what: 'DIR' },
  dropout: { description: 'dropout probability', ...real, max: 0.99 },
  'dropout-site': { description: 'where dropout acts', choices: DROPOUT_SITES },
  padding: { description: "border of the generators' convolutions", choices: PADDING_MODES },
  upsample: {
    description:
      'doubling in the generators: transposed convolutions, or resize and convolve (no checkerboards)',
    choices: UPSAMPLES,
  },
  'spectral-layers': {
    description: 'discriminator layers under spectral norm',
    choices: ['4', '5'],
  },
  init: { description: 'initialiser: PyTorch default, or N(0, 0.02)', choices: INITIALISERS },
  smoothing: { description: 'label smoothing rule', choices: ['paper', 'authors-bug'] },
  fakes: {
    description: "fakes of the generator's step",
    choices: ['auto', 'reuse', 'recompute'],
  },
  'gan-mode': { description: 'cross-entropy or squared error', choices: GAN_MODES },
  'pool-size': {
    description:
      'earlier fakes kept for each discriminator, at most one a training pair; 0 for none (not in RegGAN NC+R)',
    ...whole,
    min: 0,
    max: 10_000,
  },
  'real-label': {
    description: "what stable CycleGAN's discriminators are to call real images",
    ...real,
    max: 1,
  },
  'lr-ratio': {
    description: "stable CycleGAN: the discriminators' learning rate in multiples of --lr",
    ...real,
    max: 1000,
  },
  'lambda-adversarial': { description: 'loss weight', ...real },
  'lambda-cycle': { description: 'loss weight', ...real },
  'lambda-identity': {
    description: 'weight of the change to images of the target domain; 0 for none',
    ...real,
  },
  'lambda-registration': { description: 'loss weight', ...real },
  'lambda-smooth': { description: 'loss weight', ...real },
  'lambda-smc': { description: 'loss weight of the superpixel-wise contrast', ...real },
  'lambda-tsc': { description: 'loss weight of teacher-student consistency', ...real },
  'ramp-steps': {
    description: 'steps over which that comes in; 0 for the first 40 % of the run',
    ...whole,
    min: 0,
  },
  'paired-l1': {
    description: 'MSPGAN: hold fakes against their own high-quality images',
    choices: on,
  },
  'lambda-l1': { description: 'loss weight', ...real },
  'lambda-perceptual': { description: 'loss weight', ...real },
  ema: {
    description:
      'decay of an exponential average of the enhancing generator, which is then what is scored; 0 for none',
    default: 0,
    min: 0,
    max: 0.999999,
  },
  shuffle: { description: 'new order of the pairs every epoch', default: 'on', choices: on },
  flip: { description: 'mirror pairs at random', choices: on },
  enlarge: { description: 'magnify images by this before random crops', ...real, min: 1, max: 4 },
  pairing: {
    description: 'train on pairs, or draw each high-quality image on its own',
    choices: PAIRINGS,
  },
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
  tune: TUNE_OPTION,
  device: { description: 'auto, system, swiftshader, or part of an adapter name', what: 'NAME' },
};

export const TRAIN_PROGRAM: ProgramSpec = {
  command: 'npx tsx src/train',
  summary:
    'Trains an ultrasound enhancement model on pairs of low- and high-quality images.\nDefaults are those of the paper (Athreya et al. 2024). Options without a default below take that of\n--method and --protocol; --print-config shows them.',
  options: TRAIN_OPTIONS,
};
