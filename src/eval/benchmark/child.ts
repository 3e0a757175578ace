/** The other programs as child processes: what one of them suffers costs the benchmark nothing. */
import { spawn } from 'node:child_process';
import { appendFileSync, closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SonoliftError } from '../../errors.ts';
import { writeError } from '../../files.ts';
import { INTERRUPTED_EXIT_CODE } from '../../interruption.ts';

const PROGRAMS = {
  train: fileURLToPath(new URL('../../train/index.ts', import.meta.url)),
  eval: fileURLToPath(new URL('../index.ts', import.meta.url)),
} as const;
export type ChildProgram = keyof typeof PROGRAMS;

/** How a child ended. */
export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  /** The last of what it wrote to stderr. */
  readonly stderr: string;
}

/** A failure of a child, with its own error's name, message and exit code. */
export class ChildError extends SonoliftError {
  override readonly exitCode: number;
  override readonly name: string;

  constructor(name: string, exitCode: number, message: string) {
    super(message);
    this.name = name;
    this.exitCode = exitCode;
  }
}

const STDERR_KEPT = 8000;
const running = new Set<ReturnType<typeof spawn>>();
let stopping = false;

/** Whether the benchmark was told to stop. */
export function isStopping(): boolean {
  return stopping;
}

/**
 * From now on Ctrl-C and SIGTERM let the children save and end, and start no more. A terminal or
 * scheduler may have signalled the children already: they get the other signal, since the same one
 * twice ends them before they have saved.
 */
export function stopOnSignals(log: (line: string) => void): void {
  const other = { SIGINT: 'SIGTERM', SIGTERM: 'SIGINT' } as const;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      log('stopping; run the same command again to go on');
      for (const child of running) child.kill(other[signal]);
    });
  }
}

/**
 * Runs a program to its end.
 * @param options.log file to append all output to; without one, stdout is returned
 * @param options.onStart told the process's number
 */
export async function runChild(
  program: ChildProgram,
  args: readonly string[],
  options: { readonly log?: string; readonly onStart?: (pid: number) => Promise<void> } = {},
): Promise<ChildEnd> {
  const { log } = options;
  const file = log === undefined ? undefined : openLog(log);
  try {
    const child = spawn(process.execPath, [...process.execArgv, PROGRAMS[program], ...args], {
      // Straight to the file, so that output goes on if this process is killed.
      stdio: ['ignore', file ?? 'pipe', 'pipe'],
    });
    running.add(child);
    let stdout = '';
    let stderr = '';
    child.stdout?.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr?.on('data', (chunk) => {
      stderr = `${stderr}${chunk}`.slice(-STDERR_KEPT);
      if (log !== undefined) appendFileSync(log, chunk);
    });
    const ended = new Promise<ChildEnd>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
    });
    try {
      if (child.pid !== undefined) await options.onStart?.(child.pid);
      return await ended;
    } finally {
      running.delete(child);
    }
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function openLog(path: string): number {
  try {
    return openSync(path, 'a');
  } catch (error) {
    throw writeError(path, error);
  }
}

/** The error of a child that did not succeed. */
export function childError(what: string, { code, signal, stderr }: ChildEnd): ChildError {
  const last = stderr.trim().split('\n').at(-1)?.trim() ?? '';
  const [, name, message] = /^(\w*Error): (.*)$/.exec(last) ?? [];
  if (signal !== null) return new ChildError('SonoliftError', 1, `${what}: ended by ${signal}`);
  if (code === INTERRUPTED_EXIT_CODE) {
    return new ChildError('SonoliftError', code, `${what}: interrupted`);
  }
  return new ChildError(
    name ?? 'SonoliftError',
    code ?? 1,
    `${what}: ${message ?? (last || `exit code ${code}`)}`,
  );
}
