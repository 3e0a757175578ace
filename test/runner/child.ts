import { type ChildProcess, spawn } from 'node:child_process';
import type { Ending } from './outcome.ts';

const running = new Set<ChildProcess>();
const ownGroup = process.platform !== 'win32';

/** Ends a child and whatever it started. */
function end(child: ChildProcess) {
  if (child.pid === undefined) return;
  try {
    if (ownGroup) process.kill(-child.pid, 'SIGKILL');
    else child.kill('SIGKILL');
  } catch {
    // It has ended by itself meanwhile.
  }
}

/** Ends all children; they are in process groups of their own, so Ctrl-C does not reach them. */
export function endAll() {
  for (const child of running) end(child);
}

/**
 * Runs Node with `args`, without standard input or colours, and collects what it prints.
 *
 * @param limit seconds after which it is ended
 * @param environment variables beside those of this process
 */
export function runNode(
  args: readonly string[],
  limit: number,
  environment: Readonly<Record<string, string>> = {},
): Promise<{ output: string; ending: Ending; seconds: number }> {
  const started = performance.now();
  const { FORCE_COLOR: _, ...env } = process.env;
  const child = spawn(process.execPath, args, {
    env: { ...env, NO_COLOR: '1', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: ownGroup,
  });
  running.add(child);
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
  let timedOutAfter: number | undefined;
  const timer = setTimeout(() => {
    timedOutAfter = limit;
    end(child);
  }, limit * 1000);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    // What outlives the child holds its output open, and `close` would never come.
    child.on('exit', () => end(child));
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      running.delete(child);
      const seconds = (performance.now() - started) / 1000;
      const output = Buffer.concat(chunks).toString('utf8');
      resolve({ output, ending: { code, signal, timedOutAfter }, seconds });
    });
  });
}
