import type { PeerResult } from './job.ts';

/*
 * A shared or virtual machine is slower in some minutes than in others, by a half and more where caches
 * matter, and peers are measured minutes after us. So all programs take turns in several rounds, and of what a program
 * measured more than once the median counts.
 */

/** What makes two results of one program the same thing. */
function subjectOf(result: PeerResult): string {
  switch (result.kind) {
    case 'convolution':
      return `convolution ${result.shape} ${result.pass}`;
    case 'step':
      return `step ${result.shape}`;
    case 'about':
      return 'about';
    case 'failure':
      return `failure ${result.what} ${result.reason}`;
  }
}

function durationOf(result: PeerResult): number {
  if (result.kind === 'convolution') return result.milliseconds;
  return result.kind === 'step' ? result.seconds : 0;
}

/**
 * One program's results of all rounds, each subject once: the round whose time is the median (of an even
 * number, the faster of the two in the middle).
 */
export function medianOfRounds(rounds: readonly (readonly PeerResult[])[]): PeerResult[] {
  const bySubject = new Map<string, PeerResult[]>();
  for (const result of rounds.flat()) {
    const subject = subjectOf(result);
    const found = bySubject.get(subject);
    if (found) found.push(result);
    else bySubject.set(subject, [result]);
  }
  return [...bySubject.values()].map((results) => {
    const sorted = results.sort((a, b) => durationOf(a) - durationOf(b));
    return sorted[(sorted.length - 1) >> 1];
  });
}
