import { shellWord } from '../../run/shell-word.ts';
import type { Job } from './jobs.ts';

/** The program without npx, which would keep a scheduler's SIGTERM to itself. */
const COMMAND = 'node --import tsx src/eval/benchmark/index.ts';

/**
 * One shell line a job: the command line that asked for the plan, for this job alone. To be run in the
 * project's folder, in any order, on any machine that sees the same files.
 */
export function planLines(argv: readonly string[], jobs: readonly Job[]): string[] {
  const kept = argv.filter((word) => word !== '--plan').map(shellWord);
  return jobs.map(({ id }) => `${COMMAND} ${kept.join(' ')} --job ${shellWord(id)}`);
}
