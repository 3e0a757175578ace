/**
 * Which pairs a run trained on and which it held out, as its checkpoints record them. A split made anew from
 * the seed is another one as soon as a pair is added or taken away. Browser-safe.
 */
import type { PairName } from '../data/pairs.ts';
import { SPLIT_NAMES, type SplitName } from '../data/split.ts';
import { CheckpointError } from '../errors.ts';

/** `organ/name` of the pairs of each set; a set is missing where the run was not told of it. */
export type RecordedSplit = Readonly<Partial<Record<SplitName, readonly string[]>>>;

/** The name by which a pair is recorded: `organ/name`. */
export function recordedName({ organ, name }: PairName): string {
  return `${organ}/${name}`;
}

/** The record of a split from the pairs of its sets. */
export function recordSplit(
  sets: Readonly<Partial<Record<SplitName, readonly PairName[] | undefined>>>,
): RecordedSplit {
  return Object.fromEntries(
    SPLIT_NAMES.flatMap((set) => {
      const pairs = sets[set];
      return pairs ? [[set, pairs.map(recordedName)]] : [];
    }),
  );
}

function isListOfNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string');
}

function isRecordedSplit(value: unknown): value is RecordedSplit {
  return typeof value === 'object' && value !== null && Object.values(value).every(isListOfNames);
}

/**
 * The split in the `extra` of a checkpoint's state; undefined for checkpoints from before it was recorded.
 * @param folder names the checkpoint in the error
 * @throws CheckpointError if it is no lists of names
 */
export function readRecordedSplit(
  extra: Readonly<Record<string, unknown>> | undefined,
  folder: string,
): RecordedSplit | undefined {
  const found = extra?.split;
  if (found === undefined) return undefined;
  if (!isRecordedSplit(found)) {
    throw new CheckpointError(`${folder}/state.json: field extra.split: expected lists of names`);
  }
  return found;
}

/**
 * Checks that a run goes on with the pairs it began with: another split of as many would train on what was
 * held out.
 * @throws CheckpointError naming the first set and pair that differ
 */
export function expectSameSplit(
  recorded: RecordedSplit | undefined,
  split: RecordedSplit,
  folder: string,
): void {
  for (const set of SPLIT_NAMES) {
    const [expected, found] = [recorded?.[set], split[set]];
    if (!expected || !found) continue;
    const length = Math.max(expected.length, found.length);
    for (let index = 0; index < length; index++) {
      if (expected[index] === found[index]) continue;
      throw new CheckpointError(
        `${folder}/state.json: field extra.split.${set}: expected ${expected[index] ?? `${expected.length} pairs`}, found ${found[index] ?? `${found.length} pairs`}; resume with the same pairs`,
      );
    }
  }
}
