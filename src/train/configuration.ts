import type { FitMode } from '../data/fit.ts';
import type { Pairing } from '../data/loader.ts';
import { UsageError } from '../errors.ts';
import type { TuneChoice } from '../gpu/tuning/tune-mode.ts';
import { withAverage } from '../methods/averaged.ts';
import type {
  AnyMethodKind,
  ConfiguredMethod,
  OptionReader,
  Protocol,
} from '../methods/method-kind.ts';
import { findMethod, METHOD_NAMES } from '../methods/methods.ts';
import { linearDecaySchedule, type Schedule, stepSchedule } from '../nn/schedules.ts';
import {
  booleanOption,
  numberOption,
  type OptionValue,
  type OptionValues,
  optionalNumber,
  optionalString,
  stringOption,
  tuneOption,
} from '../run/option-values.ts';
import { TRAIN_OPTIONS } from './options.ts';

export { TRAIN_PROGRAM } from './options.ts';

/** How the learning rate falls. */
export type ScheduleOptions =
  /** StepLR: times `gamma` every `every` epochs. */
  | { readonly name: 'step'; readonly every: number; readonly gamma: number }
  /** Constant, then linear decay over the last `decay` epochs. */
  | { readonly name: 'linear'; readonly decay: number }
  | { readonly name: 'constant' };

/** Everything that determines a training run, resolved. */
export interface TrainConfiguration {
  readonly method: ConfiguredMethod;
  readonly protocol: string;
  readonly size: number;
  readonly fit: FitMode;
  readonly batch: number;
  /** Epochs to train, unless `steps` ends the run earlier. */
  readonly epochs: number;
  readonly steps: number | undefined;
  readonly learningRate: number;
  readonly schedule: ScheduleOptions;
  readonly seed: number;
  readonly splitSeed: number;
  readonly shuffle: boolean;
  readonly flip: boolean;
  readonly enlarge: number;
  readonly pairing: Pairing;
  readonly perceptual: string;
  /** Decay of the exponential average of weights that is scored; 0 for none. */
  readonly ema: number;
  /** Epochs between validations and between checkpoints. */
  readonly validateEvery: number;
  readonly checkpointEvery: number;
  /** Newest checkpoints kept, besides the first and the best. */
  readonly keep: number;
  /** Steps between two readings of the losses. */
  readonly readEvery: number;
}

/**
 * All options with the defaults of the method and protocol filled in. Options that only other methods
 * or schedules have, or that do nothing beside the others, stay undefined.
 * @throws UsageError if one of those is given
 */
export function resolveOptions(values: OptionValues): OptionValues {
  const kind = methodOf(values);
  const defaults: Record<string, OptionValue> = {
    ...kind.defaults(protocolOf(values), numberOption(values, 'size')),
  };
  const schedule = values.schedule ?? defaults.schedule;
  if (schedule === 'linear') {
    const epochs = Number(values.epochs ?? defaults.epochs);
    defaults['lr-decay'] = Math.max(1, Math.floor(epochs / 2));
  } else if (schedule === 'step') {
    Object.assign(defaults, { 'lr-every': 100, 'lr-gamma': 0.5 });
  }
  for (const [name, value] of Object.entries(values)) {
    const isByMethod = TRAIN_OPTIONS[name].default === undefined && !ALWAYS_OPTIONAL.has(name);
    if (value !== undefined && isByMethod && !Object.hasOwn(defaults, name)) {
      const owner = SCHEDULE_OPTIONS.has(name) ? `--schedule ${schedule}` : `--method ${kind.name}`;
      throw new UsageError(`--${name}: is not an option of ${owner}`);
    }
  }
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  const resolved: Record<string, OptionValue> = { ...defaults, ...Object.fromEntries(given) };
  const { names, because } = kind.unused(optionReader(resolved));
  for (const name of names) {
    if (values[name] !== undefined) {
      throw new UsageError(`--${name}: is not an option of ${because}`);
    }
    delete resolved[name];
  }
  const order = Object.keys(TRAIN_OPTIONS);
  const byOrder = Object.entries(resolved).sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
  return Object.fromEntries(byOrder);
}

/** Options of one schedule or another. */
const SCHEDULE_OPTIONS = new Set(['lr-every', 'lr-gamma', 'lr-decay']);

/** Options of every method that have no value unless one is given. */
const ALWAYS_OPTIONAL = new Set(['data', 'out', 'steps', 'weights', 'config', 'tune', 'device']);

function protocolOf(values: OptionValues): Protocol {
  return stringOption(values, 'protocol') === 'native' ? 'native' : 'paper';
}

function methodOf(values: OptionValues): AnyMethodKind {
  const name = stringOption(values, 'method');
  const kind = findMethod(name);
  if (!kind) {
    throw new UsageError(`--method: expected ${METHOD_NAMES.join(' or ')}, found ${name}`);
  }
  return kind;
}

/**
 * Resolves parsed options.
 * @throws UsageError if options contradict each other
 */
export function trainConfiguration(parsed: OptionValues): TrainConfiguration {
  const values = resolveOptions(parsed);
  const size = numberOption(values, 'size');
  const ema = numberOption(values, 'ema');
  const method = withAverage(configureMethod(values), ema);
  if (size % method.sizeMultiple) {
    const { levels } = method.options;
    const why = levels === undefined ? '' : ` with ${levels} U-Net levels`;
    throw new UsageError(
      `--size ${size}: expected a multiple of ${method.sizeMultiple} for --method ${method.name}${why}`,
    );
  }
  return {
    method,
    protocol: stringOption(values, 'protocol'),
    size,
    fit: stringOption(values, 'fit') as FitMode,
    batch: numberOption(values, 'batch'),
    epochs: numberOption(values, 'epochs'),
    steps: optionalNumber(values, 'steps'),
    learningRate: numberOption(values, 'lr'),
    schedule: scheduleOptions(values),
    seed: numberOption(values, 'seed'),
    splitSeed: numberOption(values, 'split-seed'),
    shuffle: booleanOption(values, 'shuffle'),
    flip: booleanOption(values, 'flip'),
    enlarge: numberOption(values, 'enlarge'),
    // Only methods without a paired term have the option.
    pairing: values.pairing === 'unaligned' ? 'unaligned' : 'aligned',
    perceptual: stringOption(values, 'perceptual'),
    ema,
    validateEvery: numberOption(values, 'validate-every'),
    checkpointEvery: numberOption(values, 'checkpoint-every'),
    keep: numberOption(values, 'keep'),
    readEvery: numberOption(values, 'read-every'),
  };
}

/** The method with its options from resolved values. */
function configureMethod(values: OptionValues): ConfiguredMethod {
  const perceptual = stringOption(values, 'perceptual');
  if (perceptual !== 'none' && values['lambda-perceptual'] === undefined) {
    throw new UsageError(
      `--perceptual ${perceptual}: --method ${stringOption(values, 'method')} has no perceptual loss`,
    );
  }
  const kind = methodOf(values);
  // What `resolveOptions` left out does nothing, but a method is made of all its options.
  const defaults = kind.defaults(protocolOf(values), numberOption(values, 'size'));
  return kind.configure(optionReader({ ...defaults, ...values }));
}

function optionReader(values: OptionValues): OptionReader {
  const hasNoPerceptual = values.perceptual === 'none';
  return {
    number: (name) =>
      name === 'lambda-perceptual' && hasNoPerceptual ? 0 : numberOption(values, name),
    choice: (name, choices) => {
      const text = stringOption(values, name);
      const found = choices.find((choice) => choice === text);
      if (found === undefined) {
        throw new UsageError(`--${name}: expected ${choices.join(' or ')}, found ${text}`);
      }
      return found;
    },
  };
}

/** @throws UsageError if the decay is longer than the training */
function scheduleOptions(values: OptionValues): ScheduleOptions {
  const name = stringOption(values, 'schedule');
  if (name === 'constant') return { name };
  if (name === 'step') {
    const every = numberOption(values, 'lr-every');
    return { name: 'step', every, gamma: numberOption(values, 'lr-gamma') };
  }
  const decay = numberOption(values, 'lr-decay');
  const epochs = numberOption(values, 'epochs');
  if (decay > epochs) {
    throw new UsageError(`--lr-decay: expected at most --epochs ${epochs}, found ${decay}`);
  }
  return { name: 'linear', decay };
}

/** Learning rate by epoch. */
export function learningRateOf({ learningRate, schedule, epochs }: TrainConfiguration): Schedule {
  if (schedule.name === 'constant') return () => learningRate;
  return schedule.name === 'step'
    ? stepSchedule(learningRate, schedule.every, schedule.gamma)
    : linearDecaySchedule(learningRate, epochs - schedule.decay, schedule.decay);
}

/** Steps of a whole run over this many pairs, unless it is stopped earlier. */
export function plannedStepsOf(
  { steps, epochs, batch }: TrainConfiguration,
  pairs: number,
): number {
  return Math.min(steps ?? Number.POSITIVE_INFINITY, epochs * Math.ceil(pairs / batch));
}

/** A configuration as plain JSON, for a run folder and its report. */
export function describeConfiguration(configuration: TrainConfiguration): {
  readonly [name: string]: unknown;
} {
  const { method, ...rest } = configuration;
  const said = method.label === method.name ? {} : { methodLabel: method.label };
  return { method: method.name, ...said, methodOptions: method.options, ...rest };
}

/** Folders and switches that do not change what is computed. */
export interface TrainPlaces {
  readonly data: string;
  readonly out: string;
  readonly weights: string | undefined;
  readonly resume: boolean;
  readonly device: string | undefined;
  readonly tune: TuneChoice;
}

export function trainPlaces(values: OptionValues): TrainPlaces {
  return {
    data: stringOption(values, 'data'),
    out: stringOption(values, 'out'),
    weights: optionalString(values, 'weights'),
    resume: booleanOption(values, 'resume'),
    device: optionalString(values, 'device'),
    tune: tuneOption(values),
  };
}
