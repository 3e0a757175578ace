import { availableParallelism, cpus } from 'node:os';
import { basename, isAbsolute } from 'node:path';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { Clock } from '../measure/clock.ts';
import { currentLoad, LoadWatch, loadWarning } from '../measure/load.ts';

/** Where and how numbers were measured: goes with every table. */
export interface Context {
  readonly command: string;
  readonly adapter: string;
  readonly date: string;
  readonly machine: string;
  readonly clock: string;
}

/** The command as typed, absolute paths shortened to their ends: the npm script and its arguments. */
export function commandLine(script: string, argv = process.argv.slice(2)): string {
  const given = argv.map((text) => (isAbsolute(text) ? `…/${basename(text)}` : text));
  return `npm run ${script}${given.length ? ` -- ${given.join(' ')}` : ''}`;
}

export function contextOf(gpu: Gpu, clock: Clock, script: string): Context {
  return machineContext(gpu.description, clock.description, script);
}

/** The context of a program that leaves devices to others. */
export function machineContext(adapter: string, clock: string, script: string): Context {
  return {
    command: commandLine(script),
    adapter,
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${availableParallelism()} cores, Node ${process.versions.node}`,
    clock,
  };
}

/** The context in Markdown. */
export function contextLines(context: Context): string {
  return [
    `Command: \`${context.command}\`. Date: ${context.date}.`,
    `Adapter: ${context.adapter}. Machine: ${context.machine}.`,
    `${context.clock[0].toUpperCase()}${context.clock.slice(1)}.`,
  ].join('\n');
}

/** Warns on stderr of what else runs now; returns the line for the tables. */
export async function loadBefore(): Promise<string> {
  const cores = await currentLoad();
  const warning = loadWarning(cores, 'just before the start');
  if (warning) process.stderr.write(`${warning}\n`);
  return `Other processes used ${cores.toFixed(2)} cores just before.`;
}

/** Warns on stderr of what else runs now; the returned watch tells about the time until it is asked. */
export async function watchLoad(): Promise<LoadWatch> {
  await loadBefore();
  return new LoadWatch();
}

/** Ends a watch: a warning on stderr, and the line for the tables. */
export function reportLoad(watch: LoadWatch): string {
  const cores = watch.coresOfOthers();
  const warning = loadWarning(cores, 'meanwhile');
  if (warning) process.stderr.write(`${warning}\n`);
  return `Other processes used ${cores.toFixed(2)} cores meanwhile.`;
}
