import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { UsageError } from '../errors.ts';
import { readFailure } from '../files.ts';
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

export interface ParsedOptions {
  readonly values: Readonly<Record<string, OptionValue>>;
  readonly positionals: readonly string[];
  readonly help: boolean;
}

/**
 * Reads a command line; `--help` wins over everything else. Defaults < `--config FILE` (JSON, if the program has that option) < flags.
 * @throws UsageError naming an unknown option, a missing one, or a value out of range
 */
export function parseOptions(spec: ProgramSpec, argv: readonly string[]): ParsedOptions {
  const flags = parseFlags(spec, argv);
  if (flags.values.help === true) return { values: {}, positionals: [], help: true };
  const values: Record<string, OptionValue> = {};
  for (const [name, option] of Object.entries(spec.options)) values[name] = option.default;
  if (typeof flags.values.config === 'string') {
    Object.assign(values, readConfiguration(spec, flags.values.config));
  }
  for (const [name, raw] of Object.entries(flags.values)) {
    values[name] = convert(`--${name}`, spec.options[name], raw);
  }
  if (values['print-config'] !== true) {
    for (const [name, option] of Object.entries(spec.options)) {
      if (option.required && values[name] === undefined) {
        throw new UsageError(`--${name} is needed; see ${spec.command} --help`);
      }
    }
    if (!spec.positionals && flags.positionals.length) {
      throw new UsageError(
        `unexpected argument ${flags.positionals[0]}; see ${spec.command} --help`,
      );
    }
  }
  return { values, positionals: flags.positionals, help: false };
}

/** The text of `--help`. */
export function formatHelp(spec: ProgramSpec): string {
  const rows = Object.entries(spec.options).map(([name, option]) => {
    const type = typeOf(option);
    const what =
      type === 'boolean'
        ? ''
        : ` ${option.what ?? option.choices?.join('|') ?? type.toUpperCase()}`;
    const fallback =
      option.default === undefined || option.default === false
        ? ''
        : ` [default: ${option.default}]`;
    const need = option.required ? ' [needed]' : '';
    return [`  --${name}${what}`, `${option.description}${fallback}${need}`];
  });
  rows.push(['  --help', 'print this and exit']);
  const width = Math.min(34, Math.max(...rows.map(([left]) => left.length)) + 2);
  const lines = rows.map(([left, right]) =>
    left.length >= width ? `${left}\n${' '.repeat(width)}${right}` : left.padEnd(width) + right,
  );
  const positionals = spec.positionals ? ` ${spec.positionals}` : '';
  return `${spec.command} [options]${positionals}\n\n${spec.summary}\n\n${lines.join('\n')}\n`;
}

/** Typed access to parsed values. */
export function stringOption(values: ParsedOptions['values'], name: string): string {
  const value = values[name];
  if (typeof value !== 'string') throw new UsageError(`--${name} is needed`);
  return value;
}

export function optionalString(values: ParsedOptions['values'], name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

export function numberOption(values: ParsedOptions['values'], name: string): number {
  const value = values[name];
  if (typeof value !== 'number') throw new UsageError(`--${name} is needed`);
  return value;
}

export function optionalNumber(values: ParsedOptions['values'], name: string): number | undefined {
  const value = values[name];
  return typeof value === 'number' ? value : undefined;
}

export function booleanOption(values: ParsedOptions['values'], name: string): boolean {
  return values[name] === true || values[name] === 'on';
}

/** What `--tune` says; `auto` where it says nothing. */
export function tuneOption(values: ParsedOptions['values']): TuneChoice {
  return TUNE_MODES.find((mode) => mode === values.tune) ?? 'auto';
}

/** `--tune` of programs. */
export const TUNE_OPTION: OptionSpec = {
  description:
    'choose kernels by measurement: on, force (measure anew) or off; default on on GPUs, off on CPU drivers',
  choices: TUNE_MODES,
};

function typeOf(option: OptionSpec): 'string' | 'number' | 'boolean' {
  if (option.type) return option.type;
  const type = typeof option.default;
  return type === 'number' || type === 'boolean' ? type : 'string';
}

function parseFlags(spec: ProgramSpec, argv: readonly string[]) {
  const options: Record<string, { type: 'string' | 'boolean' }> = { help: { type: 'boolean' } };
  for (const [name, option] of Object.entries(spec.options)) {
    options[name] = { type: typeOf(option) === 'boolean' ? 'boolean' : 'string' };
  }
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
  } catch (error) {
    // What follows the first sentence is advice for programmers.
    const message = error instanceof Error ? error.message.split(/\.\s/)[0] : String(error);
    throw new UsageError(`${message}; see ${spec.command} --help`);
  }
}

function convert(label: string, option: OptionSpec, raw: unknown): OptionValue {
  const type = typeOf(option);
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

function readConfiguration(spec: ProgramSpec, path: string): Record<string, OptionValue> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new UsageError(`--config ${path}: cannot be read: ${readFailure(cause)}`, { cause });
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`--config ${path}: expected JSON, found: ${reason}`, { cause });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    const found = Array.isArray(parsed) ? 'an array' : JSON.stringify(parsed);
    throw new UsageError(`--config ${path}: expected a JSON object of options, found ${found}`);
  }
  const values: Record<string, OptionValue> = {};
  for (const [name, raw] of Object.entries(parsed)) {
    const option = spec.options[name];
    if (!option || name === 'config')
      throw new UsageError(`--config ${path}: unknown option ${name}; see ${spec.command} --help`);
    if (raw !== null) values[name] = convert(`--config ${path}: ${name}`, option, raw);
  }
  return values;
}
