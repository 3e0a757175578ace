/** Options and their values, wherever they come from: a command line, or a page's form. Browser-safe. */
import { ELEMENT_TYPES, type ElementType } from '../../kernels/element-types.ts';
import { UsageError } from '../errors.ts';
import { TUNE_MODES, type TuneChoice } from '../gpu/tuning/tune-mode.ts';

/** One command line option. Its default's type is its type. */
export interface OptionSpec {
  readonly description: string;
  /** Shown in help as `--name WHAT`. */
  readonly what?: string;
  readonly default?: string | number | boolean;
  /** `number` if there is no default to tell. */
  readonly type?: 'string' | 'number' | 'boolean';
  readonly choices?: readonly string[];
  /** Inclusive bounds of a number. */
  readonly min?: number;
  readonly max?: number;
  readonly integer?: boolean;
  readonly required?: boolean;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;
export type OptionValue = string | number | boolean | undefined;

export interface ProgramSpec {
  /** As a user types it, e.g. `npx tsx src/train`. */
  readonly command: string;
  readonly summary: string;
  readonly options: OptionSpecs;
  /** Name of further arguments, if any are taken. */
  readonly positionals?: string;
}

export type OptionValues = Readonly<Record<string, OptionValue>>;

/** Every option with its default, undefined where it has none. */
export function optionDefaults(specs: OptionSpecs): Record<string, OptionValue> {
  return Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, spec.default]));
}

/**
 * All options: those given, checked, and defaults.
 * @throws UsageError naming an option that is unknown or out of range
 */
export function optionValues(specs: OptionSpecs, given: OptionValues): OptionValues {
  const values = optionDefaults(specs);
  for (const [name, raw] of Object.entries(given)) {
    if (!Object.hasOwn(specs, name)) throw new UsageError(`unknown option ${name}`);
    if (raw !== undefined) values[name] = convertOption(name, specs[name], raw);
  }
  return values;
}

/** Typed access to parsed values. */
export function stringOption(values: OptionValues, name: string): string {
  const value = values[name];
  if (typeof value !== 'string') throw new UsageError(`--${name} is needed`);
  return value;
}

export function optionalString(values: OptionValues, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

export function numberOption(values: OptionValues, name: string): number {
  const value = values[name];
  if (typeof value !== 'number') throw new UsageError(`--${name} is needed`);
  return value;
}

export function optionalNumber(values: OptionValues, name: string): number | undefined {
  const value = values[name];
  return typeof value === 'number' ? value : undefined;
}

export function booleanOption(values: OptionValues, name: string): boolean {
  return values[name] === true || values[name] === 'on';
}

/** What `--tune` says; `auto` where it says nothing. */
export function tuneOption(values: OptionValues): TuneChoice {
  return TUNE_MODES.find((mode) => mode === values.tune) ?? 'auto';
}

/** `--precision` of programs that only enhance. */
export const PRECISION_OPTION: OptionSpec = {
  description:
    'how activations are stored: f32, or f16 (half the memory, images within a few grey levels; needs shader-f16)',
  default: 'f32',
  choices: ELEMENT_TYPES,
};

export function precisionOption(values: OptionValues): ElementType {
  return stringOption(values, 'precision') as ElementType;
}

/** `--tune` of programs. */
export const TUNE_OPTION: OptionSpec = {
  description:
    'choose kernels by measurement: on, force (measure anew) or off; default on on GPUs, off on CPU drivers',
  choices: TUNE_MODES,
};

/** The type of an option's values. */
export function optionType(option: OptionSpec): 'string' | 'number' | 'boolean' {
  if (option.type) return option.type;
  const type = typeof option.default;
  return type === 'number' || type === 'boolean' ? type : 'string';
}

/**
 * Checks a value against its option and gives it its type.
 * @param label names the option in messages
 * @throws UsageError if it is of another type or out of range
 */
export function convertOption(label: string, option: OptionSpec, raw: unknown): OptionValue {
  const type = optionType(option);
  if (type === 'number') {
    const value =
      typeof raw === 'number'
        ? raw
        : Number(typeof raw === 'string' && raw.trim() ? raw : Number.NaN);
    const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY, integer } = option;
    if (
      !Number.isFinite(value) ||
      value < min ||
      value > max ||
      (integer && !Number.isInteger(value))
    ) {
      const kind = integer ? 'a whole number' : 'a number';
      throw new UsageError(`${label}: expected ${kind}${range(min, max)}, found ${String(raw)}`);
    }
    return value;
  }
  if (type === 'boolean') {
    if (typeof raw !== 'boolean')
      throw new UsageError(`${label}: expected true or false, found ${String(raw)}`);
    return raw;
  }
  if (typeof raw !== 'string')
    throw new UsageError(`${label}: expected text, found ${String(raw)}`);
  if (raw === '') throw new UsageError(`${label}: expected text, found an empty one`);
  if (option.choices && !option.choices.includes(raw)) {
    throw new UsageError(`${label}: expected ${option.choices.join(' or ')}, found ${raw}`);
  }
  return raw;
}

function range(min: number, max: number): string {
  const low = Number.isFinite(min);
  const high = Number.isFinite(max);
  if (low && high) return ` from ${min} to ${max}`;
  if (low) return ` of at least ${min}`;
  return high ? ` of at most ${max}` : '';
}
