/** What a panel says: how far it is, and what went wrong. */
import { isWithoutGpu, showHelp } from './help.ts';
import { sentence } from './sentence.ts';

export interface Messages {
  /** Says what goes on and takes an earlier error back. */
  say(text: string): void;
  /** Says what went wrong; what the panel holds stays as it is. */
  fail(error: unknown): void;
}

/** Messages in the elements `#<id>-status` and `#<id>-error`. */
export function messagesOf(status: HTMLElement, alert: HTMLElement): Messages {
  return {
    say(text) {
      status.textContent = text;
      alert.textContent = '';
    },
    fail(error) {
      status.textContent = '';
      if (isAbort(error)) {
        status.textContent = 'Stopped.';
        return;
      }
      alert.textContent = explain(error);
      if (isWithoutGpu(error)) showHelp(error);
    },
  };
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

/** Advice by the reason of a GpuError. */
const ADVICE: Readonly<Record<string, string>> = {
  lost: 'Nothing you chose is gone; press the button again to go on with a new device.',
  'out-of-memory':
    'Take tiles, a smaller image, a smaller batch or narrower networks, or raise the memory limit.',
};

/** A sentence for people. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const reason = 'reason' in error ? String(error.reason) : '';
  const text = sentence(error.message);
  return ADVICE[reason] ? `${text} ${ADVICE[reason]}` : text;
}
