import { type Repeats, summariseRepeats } from './statistics.ts';
import type { Lapse, Stopwatch } from './stopwatch.ts';

/** Whatever runs recorded work: our device, or a peer's. */
export interface Submitter {
  /** Submits what was recorded. */
  flush(): Promise<void>;
  /** Waits until all that was submitted is done. */
  finish(): Promise<unknown>;
}

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
 * @param record records the unit once
 */
export async function repeat(
  device: Submitter,
  clock: Stopwatch,
  record: () => void,
  options?: RepeatOptions,
): Promise<Timing> {
  const [timing] = await repeatInTurn(device, clock, [record], options);
  return timing;
}

/**
 * Times several units of work, a sample of each in turn: what else happens on the machine, and what speed its
 * memory has at the moment, is the same for all, so that ratios can be trusted further than times.
 * @param records each records its unit once
 */
export async function repeatInTurn(
  device: Submitter,
  clock: Stopwatch,
  records: readonly (() => void)[],
  { sample = 25, repeats = 9, budget = 1500 }: RepeatOptions = {},
): Promise<Timing[]> {
  const work = async (record: () => void, count: number): Promise<void> => {
    for (let i = 0; i < count; i++) record();
    await device.flush();
    await device.finish();
  };
  const units: { record: () => void; perSample: number; lapses: Lapse[] }[] = [];
  for (const record of records) {
    await work(record, 1);
    const first = await clock.measure(() => work(record, 1));
    // Work that the clock hardly sees must not be repeated for minutes.
    const unit = Math.max(first.milliseconds, first.wall / 10);
    const perSample = Math.min(MOST_PER_SAMPLE, Math.max(1, Math.ceil(sample / unit)));
    units.push({ record, perSample, lapses: [] });
  }
  const start = performance.now();
  for (let taken = 0; taken < repeats; taken++) {
    if (taken >= 3 && performance.now() - start > budget * records.length) break;
    for (const { record, perSample, lapses } of units) {
      lapses.push(await clock.measure(() => work(record, perSample)));
    }
  }
  return units.map(({ perSample, lapses }) => ({
    time: summariseRepeats(lapses.map(({ milliseconds }) => milliseconds / perSample)),
    wall: summariseRepeats(lapses.map(({ wall }) => wall / perSample)).median,
    perSample,
  }));
}
