import type { Clock, Lapse } from './clock.ts';
import { type Repeats, summariseRepeats } from './statistics.ts';

export interface RepeatOptions {
  /** Least duration of one sample, in ms; short work is done several times a sample. */
  readonly sample?: number;
  /** Samples wanted. */
  readonly repeats?: number;
  /** Milliseconds after which no further sample is taken, once there are three. */
  readonly budget?: number;
}

export interface Timing {
  /** Milliseconds of one unit of work by the clock. */
  readonly time: Repeats;
  /** Median wall milliseconds of one unit. */
  readonly wall: number;
  /** Units of work a sample. */
  readonly perSample: number;
}

/** Work of at most so many units is recorded for one submission. */
const MOST_PER_SAMPLE = 500;

/**
 * Times a unit of work: one untimed run, one that says how many units make a sample, then samples.
 * @param work does the unit so many times and waits for the device
 */
export async function repeat(
  clock: Clock,
  work: (count: number) => Promise<void>,
  { sample = 25, repeats = 9, budget = 1500 }: RepeatOptions = {},
): Promise<Timing> {
  await work(1);
  const first = await clock.measure(() => work(1));
  const perSample = Math.min(
    MOST_PER_SAMPLE,
    Math.max(1, Math.ceil(sample / Math.max(first.wall, 0.01))),
  );
  const lapses: Lapse[] = [];
  const start = performance.now();
  while (lapses.length < repeats) {
    lapses.push(await clock.measure(() => work(perSample)));
    if (lapses.length >= 3 && performance.now() - start > budget) break;
  }
  return {
    time: summariseRepeats(lapses.map(({ milliseconds }) => milliseconds / perSample)),
    wall: summariseRepeats(lapses.map(({ wall }) => wall / perSample)).median,
    perSample,
  };
}
