import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { UsageError } from '../errors.ts';
import { readFailure } from '../files.ts';
import {
  convertOption,
  type OptionValue,
  type OptionValues,
  optionDefaults,
  optionType,
  type ProgramSpec,
} from './option-values.ts';

export * from './option-values.ts';

export interface ParsedOptions {
  readonly values: OptionValues;
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
  const values = optionDefaults(spec.options);
  if (typeof flags.values.config === 'string') {
    Object.assign(values, readConfiguration(spec, flags.values.config));
  }
  for (const [name, raw] of Object.entries(flags.values)) {
    values[name] = convertOption(`--${name}`, spec.options[name], raw);
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
    const type = optionType(option);
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

function parseFlags(spec: ProgramSpec, argv: readonly string[]) {
  const options: Record<string, { type: 'string' | 'boolean' }> = { help: { type: 'boolean' } };
  for (const [name, option] of Object.entries(spec.options)) {
    options[name] = { type: optionType(option) === 'boolean' ? 'boolean' : 'string' };
  }
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
  } catch (error) {
    // What follows the first sentence is advice for programmers.
    const message = error instanceof Error ? error.message.split(/\.\s/)[0] : String(error);
    throw new UsageError(`${message}; see ${spec.command} --help`);
  }
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
    if (raw !== null) values[name] = convertOption(`--config ${path}: ${name}`, option, raw);
  }
  return values;
}
