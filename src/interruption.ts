/** Ctrl-C and SIGTERM, as programs that save or tidy up before they stop take them. Node only. */

import { SonoliftError } from './errors.ts';

/** Exit code of a program that Ctrl-C or SIGTERM has stopped. */
export const INTERRUPTED_EXIT_CODE = 130;

/** Ctrl-C or SIGTERM has stopped what cannot be gone on with. */
export class InterruptedError extends SonoliftError {
  override readonly exitCode = INTERRUPTED_EXIT_CODE;
  override readonly name = 'InterruptedError';
}

/**
 * From now on the first signal of each kind is noted, for the program to stop at its next safe moment with
 * `INTERRUPTED_EXIT_CODE`; the same one again ends it at once.
 *
 * @param onSignal told of the signal when it comes
 * @returns whether one has come
 */
export function noteInterruption(onSignal: () => void = () => undefined): () => boolean {
  let interrupted = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      interrupted = true;
      onSignal();
    });
  }
  return () => interrupted;
}
