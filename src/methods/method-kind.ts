import type { Gpu } from '../gpu/gpu.ts';
import type { PerceptualDistance } from '../nn/perceptual/perceptual-distance.ts';
import { type ArchitectureReader, architectureReader } from './architecture-reader.ts';
import type { Generator, Method, MethodArchitecture } from './method.ts';

export type OptionScalar = string | number | boolean;

/**
 * Where what is not said comes from: `paper`, one optimiser, schedule, batch and number of epochs for
 * every method; or `native`, each method's own publication.
 */
export const PROTOCOLS = ['paper', 'native'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** Options of a training run by their names on the command line. */
export interface OptionReader {
  number(name: string): number;
  choice<Choice extends string>(name: string, choices: readonly Choice[]): Choice;
}

/** Options that do nothing, and the setting that makes it so, as typed. */
export interface UnusedOptions {
  readonly names: readonly string[];
  readonly because: string;
}

/** A generator to be. */
export interface GeneratorPlan {
  readonly sizeMultiple: number;
  readonly make: (gpu: Gpu) => Generator;
}

/** A row of the table of methods. */
export interface MethodKind<Options extends { readonly [Name in keyof Options]: OptionScalar }> {
  readonly name: string;
  /** What people are told instead of the name, where that is not the whole truth. */
  readonly label?: string;
  /**
   * Every option that the method takes with its default under a protocol, by name on the command
   * line. An option of other methods is refused.
   * @param size side of the training images
   */
  readonly defaults: (protocol: Protocol, size: number) => Readonly<Record<string, OptionScalar>>;
  /** Options among these that do nothing beside the others; they are refused like those of other methods. */
  readonly unused?: (options: OptionReader) => UnusedOptions;
  readonly read: (options: OptionReader) => Options;
  readonly sizeMultiple: (options: Options) => number;
  readonly architecture: (options: Options) => MethodArchitecture;
  readonly create: (gpu: Gpu, options: Options, perceptual?: PerceptualDistance) => Method;
  /** The enhancing generator alone, from what a checkpoint says of its architecture. */
  readonly generator: (architecture: ArchitectureReader) => GeneratorPlan;
}

/** A method with its options, ready to be made on a device. */
export interface ConfiguredMethod {
  readonly name: string;
  /** The method's name for people: a reconstruction says that it is one. */
  readonly label: string;
  readonly options: Readonly<Record<string, OptionScalar>>;
  readonly architecture: MethodArchitecture;
  /** Sides of images must be multiples of this. */
  readonly sizeMultiple: number;
  readonly create: (gpu: Gpu, perceptual?: PerceptualDistance) => Method;
  /** The enhancing generator alone. */
  readonly generator: GeneratorPlan;
}

/** A row whose type of options is hidden, so that rows can stand in one table. */
export interface AnyMethodKind
  extends Pick<MethodKind<Record<string, OptionScalar>>, 'name' | 'defaults' | 'generator'> {
  /** The method's name for people. */
  readonly label: string;
  readonly unused: (options: OptionReader) => UnusedOptions;
  readonly configure: (options: OptionReader) => ConfiguredMethod;
}

/** Hides a row's type of options. */
export function methodKind<Options extends { readonly [Name in keyof Options]: OptionScalar }>(
  kind: MethodKind<Options>,
): AnyMethodKind {
  const { name, label = name, defaults, generator } = kind;
  return {
    name,
    label,
    defaults,
    generator,
    unused: (options) => kind.unused?.(options) ?? { names: [], because: '' },
    configure: (reader) => {
      const options = kind.read(reader);
      const architecture = kind.architecture(options);
      return {
        name,
        label,
        options: { ...options },
        architecture,
        generator: generator(architectureReader(architecture, name)),
        sizeMultiple: kind.sizeMultiple(options),
        create: (gpu, perceptual) => kind.create(gpu, options, perceptual),
      };
    },
  };
}

/** Optimiser, schedule, batch and augmentation of the paper, for every method. */
export const PAPER_TRAINING = {
  batch: 4,
  epochs: 300,
  lr: 3e-4,
  schedule: 'step',
  beta1: 0.9,
  beta2: 0.999,
  init: 'default',
  flip: 'off',
  enlarge: 1,
  perceptual: 'none',
} as const;

/** Those of pytorch-CycleGAN-and-pix2pix: 100 epochs at a constant rate, 100 of linear decay. */
export const PIX2PIX_TRAINING = {
  batch: 1,
  epochs: 200,
  lr: 2e-4,
  schedule: 'linear',
  beta1: 0.5,
  beta2: 0.999,
  init: 'normal',
  flip: 'on',
  enlarge: 286 / 256,
  perceptual: 'none',
} as const;

/** The deepest U-Net that a size allows: halvings until odd, from 2 to 8. */
export function defaultLevels(size: number): number {
  let levels = 0;
  while (levels < 8 && size % 2 ** (levels + 1) === 0) levels++;
  return Math.max(2, levels);
}
