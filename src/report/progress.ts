import { formatDuration } from './format.ts';

/** Where progress is written; `process.stderr` fits. */
export interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

export interface ProgressOptions {
  readonly stream: ProgressStream;
  /** What counts, e.g. "train". */
  readonly label: string;
  /** Steps at which the work is done. */
  readonly total: number;
  /** Steps that were done before, when a run resumes. Default 0. */
  readonly start?: number;
  /** Variables that decide on colour and live updates: NO_COLOR, TERM. Default: none. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Milliseconds from any origin. Default `performance.now`. */
  readonly now?: () => number;
}

/** Numbers printed in their order, e.g. losses. */
export type ProgressValues = Readonly<Record<string, number>>;

/** A live line is rewritten at most this often. */
const LIVE_INTERVAL_MS = 100;
/** Without a terminal a full line is written at these shares of the work … */
const SPARSE_SHARE = 0.1;
/** … and when this much time has passed since the last. */
const SPARSE_INTERVAL_MS = 30_000;
/** Weight of the newest step in the pace that the remaining time is reckoned with. */
const PACE_WEIGHT = 0.1;
const ERASE_LINE = '\r\u001b[K';
const DEFAULT_COLUMNS = 80;

function dim(text: string): string {
  return `\u001b[2m${text}\u001b[22m`;
}

function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e5) return String(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(1);
  return size >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function pace(seconds: number): string {
  return `${seconds < 0.995 ? `${(1000 * seconds).toFixed(0)} ms` : `${seconds.toFixed(2)} s`}/step`;
}

/**
 * Progress of a long computation on one terminal line that updates in place, e.g.
 *
 *   train   120/400  30%  l1 0.213  lpips 0.410  612 ms/step  2 min 51 s left
 *
 * Where there is no terminal (a file, a pipe, CI, TERM=dumb), a full line at the first step, at
 * every tenth of the work, every half minute and at the last step. NO_COLOR turns colour off.
 */
export class ProgressLine {
  readonly #options: ProgressOptions;
  readonly #live: boolean;
  readonly #colour: boolean;
  readonly #now: () => number;
  readonly #startTime: number;
  #lastStep: number;
  #lastTime: number;
  #secondsPerStep = Number.NaN;
  #writtenTime = Number.NEGATIVE_INFINITY;
  #writtenShare = -1;
  #lineOpen = false;

  /** @throws RangeError unless the total is a positive whole number */
  constructor(options: ProgressOptions) {
    const { stream, environment = {}, start = 0, total } = options;
    if (!Number.isInteger(total) || total < 1) {
      throw new RangeError(`progress: total must be a positive whole number, found ${total}`);
    }
    this.#options = options;
    this.#live = stream.isTTY === true && environment.TERM !== 'dumb';
    // NO_COLOR counts when present and not empty (no-color.org).
    this.#colour = this.#live && (environment.NO_COLOR ?? '') === '';
    this.#now = options.now ?? (() => performance.now());
    this.#startTime = this.#now();
    this.#lastTime = this.#startTime;
    this.#lastStep = start;
  }

  /** Tells that `step` steps are done; writes when it is time to. */
  update(step: number, values: ProgressValues = {}): void {
    const now = this.#now();
    if (step > this.#lastStep) {
      const seconds = (now - this.#lastTime) / 1000 / (step - this.#lastStep);
      this.#secondsPerStep = Number.isNaN(this.#secondsPerStep)
        ? seconds
        : this.#secondsPerStep + PACE_WEIGHT * (seconds - this.#secondsPerStep);
      this.#lastStep = step;
      this.#lastTime = now;
    }
    const { total, stream } = this.#options;
    const finished = step >= total;
    if (this.#live) {
      if (!finished && now - this.#writtenTime < LIVE_INTERVAL_MS) return;
      stream.write(ERASE_LINE + this.#line(step, values));
      this.#lineOpen = true;
    } else {
      const share = Math.floor(step / total / SPARSE_SHARE + 1e-9);
      const due = share > this.#writtenShare || now - this.#writtenTime >= SPARSE_INTERVAL_MS;
      if (!finished && !due) return;
      this.#writtenShare = share;
      stream.write(`${this.#line(step, values)}\n`);
    }
    this.#writtenTime = now;
  }

  /** Writes a line of text above the progress line. */
  note(text: string): void {
    this.#options.stream.write(`${this.#lineOpen ? ERASE_LINE : ''}${text}\n`);
    this.#lineOpen = false;
    // What the note tells of took time of its own, which is not the steps'.
    this.#lastTime = this.#now();
    // The next update draws the progress line again at once.
    if (this.#live) this.#writtenTime = Number.NEGATIVE_INFINITY;
  }

  /** Ends the live line, so that what follows starts on a new one. Safe to call twice. */
  end(): void {
    if (this.#lineOpen) this.#options.stream.write('\n');
    this.#lineOpen = false;
  }

  #line(step: number, values: ProgressValues): string {
    const { label, total, stream } = this.#options;
    const digits = String(total).length;
    const head = `${label}  ${String(step).padStart(digits)}/${total}  ${String(Math.floor((100 * step) / total)).padStart(3)}%`;
    const numbers = Object.entries(values).map(
      ([name, value]) => `  ${name} ${shortNumber(value)}`,
    );
    const remaining = Math.max(0, total - step) * this.#secondsPerStep;
    const elapsed = (this.#now() - this.#startTime) / 1000;
    const time =
      step >= total
        ? `  ${pace(this.#secondsPerStep)}  took ${formatDuration(elapsed)}`
        : `  ${pace(this.#secondsPerStep)}  ${formatDuration(remaining)} left`;
    const tail = Number.isNaN(this.#secondsPerStep) ? '' : time;
    if (!this.#live) return head + numbers.join('') + tail;
    // A line that wraps cannot be rewritten in place: drop values from the end, then cut.
    const room = (stream.columns ?? DEFAULT_COLUMNS) - 1;
    while (numbers.length > 0 && head.length + numbers.join('').length + tail.length > room) {
      numbers.pop();
    }
    const front = (head + numbers.join('')).slice(0, room);
    const back = tail.slice(0, Math.max(0, room - front.length));
    return this.#colour && back !== '' ? front + dim(back) : front + back;
  }
}
