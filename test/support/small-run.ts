/** The smallest data and training run that the programs take: a second or two a run. */
import { assertOk, runProgram } from './program.ts';

/** Ten pairs of 32x32 in the USEnhance layout: 7 train, 1 validation, 2 test. */
export async function makeSmallData(folder: string, count = 10, size = 32): Promise<void> {
  assertOk(await runProgram('simulate', ['--out', folder, '--count', count, '--size', size]));
}

/** Options of `src/train` for it; four steps an epoch, dropout on. */
export const SMALL_TRAINING = [
  ...['--size', 32, '--levels', 3, '--ngf', 2, '--ndf', 2, '--batch', 2, '--dropout', 0.5],
  ...['--perceptual', 'none', '--read-every', 1, '--seed', 7],
] as const;
