import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { PeerResult } from './job.ts';

export interface PeerProgram {
  readonly name: string;
  readonly command: string;
  readonly arguments: readonly string[];
}

/** Lines of a peer's complaints that are kept. */
const KEPT_LINES = 3;

/**
 * Runs one peer in a process of its own and collects what it reports. A peer that fails adds a
 * `failure`, after what it had reported until then.
 * @param minutes after which it is ended
 */
export async function runPeer(
  program: PeerProgram,
  folder: string,
  minutes: number,
  onResult: (result: PeerResult) => void,
): Promise<PeerResult[]> {
  const results: PeerResult[] = [];
  const add = (result: PeerResult): void => {
    results.push(result);
    onResult(result);
  };
  const child = spawn(program.command, [...program.arguments, folder], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const complaints: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (line.trim()) complaints.push(line.trim());
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    // tfjs and others print notices of their own.
    if (line.startsWith('{"kind"') || line.startsWith('{"kind": ')) {
      add(JSON.parse(line) as PeerResult);
    }
  });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, minutes * 60_000);
  const ending = await new Promise<string | undefined>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) =>
      resolve(code === 0 ? undefined : signal ? `ended by ${signal}` : `exit code ${code}`),
    );
  });
  clearTimeout(timer);
  if (ending !== undefined) {
    const said = complaints.filter((line) => !/^at |^node:|^Node\.js/.test(line));
    const reason = late
      ? `not done after ${minutes} minutes`
      : [ending, ...said.slice(-KEPT_LINES)].join('; ');
    add({ kind: 'failure', what: program.name, reason });
  }
  return results;
}
