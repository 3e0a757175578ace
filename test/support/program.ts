/** Runs the project's programs as a user would, for tests of what they print, write and return. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export const PROGRAMS = {
  train: 'src/train/index.ts',
  eval: 'src/eval/index.ts',
  benchmark: 'src/eval/benchmark/index.ts',
  enhance: 'src/enhance/index.ts',
  simulate: 'src/data/simulate.ts',
  first: 'scripts/first-run.ts',
} as const;

/** Programs with other rules for their options. */
const OTHERS = { cli: 'src/cli.ts', bundle: 'scripts/bundle-model.ts' } as const;
const PATHS = { ...PROGRAMS, ...OTHERS };
export type ProgramName = keyof typeof PATHS;

/** How a program ended and what it printed. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** A folder below which the disk has room for so many bytes (`full-disk.ts`). */
  readonly disk?: { readonly folder: string; readonly room: number };
  readonly env?: Readonly<Record<string, string>>;
  /** Called with everything printed on stdout so far, whenever there is more. */
  readonly onOutput?: (stdout: string, child: ChildProcess) => void;
}

/** Seconds; CPU drivers compile shaders slowly and other work may share the machine. */
const LIMIT = 240;

/** Starts a program and waits for its end. */
export function runProgram(
  program: ProgramName,
  args: readonly (string | number)[],
  { disk, env = {}, onOutput }: RunOptions = {},
): Promise<Ended> {
  const preload = disk ? ['--import', new URL('full-disk.ts', import.meta.url).href] : [];
  const room = disk && { SONOLIFT_TEST_DISK: disk.folder, SONOLIFT_TEST_ROOM: String(disk.room) };
  const node = [...process.execArgv, ...preload, join(ROOT, PATHS[program])];
  const child = spawn(process.execPath, [...node, ...args.map(String)], {
    cwd: ROOT,
    env: { ...process.env, NO_COLOR: '1', ...room, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT * 1000,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
    onOutput?.(stdout, child);
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** Asserts success, showing what was printed if there is none. */
export function assertOk(ended: Ended): void {
  assert.is(ended.code, 0, `${ended.signal ?? ''}\n${ended.stdout}\n${ended.stderr}`);
}

/** Asserts one line on stderr that matches, and the exit code. */
export function assertRefused(ended: Ended, code: number, message: RegExp): void {
  const said = `code ${ended.code} ${ended.signal ?? ''}\n${ended.stdout}\n${ended.stderr}`;
  assert.match(ended.stderr, message, said);
  assert.is(ended.stderr.trimEnd().split('\n').length, 1, `expected one line\n${said}`);
  assert.is(ended.code, code, said);
}

/** Every path below a folder with the hash of its content: what a program may not have changed. */
export function snapshot(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    names.map((name) => {
      const path = join(folder, name);
      if (!lstatSync(path).isFile()) return [name, 'folder'];
      return [name, createHash('sha256').update(readFileSync(path)).digest('hex')];
    }),
  );
}
