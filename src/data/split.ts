/**
 * Training, validation and test sets, browser-safe.
 *
 * Table 1 of the paper (Athreya et al., JMIR Biomed Eng 2024;9:e58911) is a stratified 70/10/20
 * split over thyroid, carotid, abdomen (liver and kidney) and breast, with shares rounded by the
 * method of largest remainders. Its membership and seed are not published.
 */
import { RandomStream } from '../autograd/philox.ts';
import { DataError } from '../errors.ts';
import { comparePairs, type PairName } from './pairs.ts';

export const SPLIT_NAMES = ['train', 'val', 'test'] as const;
export type SplitName = (typeof SPLIT_NAMES)[number];

/** Indices into the list that was split, each ascending; together every index once. */
export type Split = Readonly<Record<SplitName, readonly number[]>>;

const TEST_SHARE = 0.2;
const VALIDATION_SHARE = 0.1;

/** The stratum of an organ: the paper counts liver and kidney together as abdomen. */
export function organGroup(organ: string): string {
  const name = organ.toLowerCase();
  return name === 'liver' || name === 'kidney' ? 'abdomen' : name;
}

/**
 * Shares `total` places among groups in proportion to their sizes by the method of largest
 * remainders (Hare quota): floor(size * total / sum), then one more each for the largest remainders.
 * Exact integer arithmetic; ties go to the larger group, then to the earlier one.
 *
 * @param sizes group sizes; `total` at most their sum
 */
export function largestRemainder(sizes: readonly number[], total: number): number[] {
  const sum = sizes.reduce((a, b) => a + b, 0);
  if (!Number.isInteger(total) || total < 0 || total > sum) {
    throw new RangeError(`largest remainder: total must be in [0, ${sum}], found ${total}`);
  }
  const shares = sizes.map((size) => (sum === 0 ? 0 : Math.floor((size * total) / sum)));
  const left = total - shares.reduce((a, b) => a + b, 0);
  const order = sizes
    .map((size, index) => ({ size, index, remainder: (size * total) % sum }))
    .sort((a, b) => b.remainder - a.remainder || b.size - a.size || a.index - b.index);
  for (const { index } of order.slice(0, left)) shares[index] = (shares[index] as number) + 1;
  return shares;
}

/** Sizes of the sets for `count` pairs: 20 % and 10 % rounded, at least one each if three exist. */
function setSizes(count: number): { test: number; val: number } {
  if (count < 2) return { test: 0, val: 0 };
  const test = Math.max(1, Math.round(TEST_SHARE * count));
  const val = count < 3 ? 0 : Math.max(1, Math.round(VALIDATION_SHARE * count));
  return { test, val };
}

/**
 * Splits pairs 70/10/20 into train, val and test, stratified by {@link organGroup}: the test places
 * are shared over the groups first, then the validation places over what remains of each. Within a
 * group, pairs are sorted by organ and name and shuffled by (seed, group), so the result depends on
 * neither directory order nor the other groups' members.
 *
 * Tiny sets: three or more pairs give every set at least one; two give one train and one test; a
 * single pair is train.
 *
 * @param seed whole number in [0, 2^53)
 */
export function splitPairs(pairs: readonly PairName[], seed: number): Split {
  const groups = new Map<string, number[]>();
  for (const [index, pair] of pairs.entries()) {
    const group = organGroup(pair.organ);
    const members = groups.get(group);
    if (members) members.push(index);
    else groups.set(group, [index]);
  }
  const names = [...groups.keys()].sort();
  const members = names.map((name) => {
    const sorted = [...(groups.get(name) ?? [])].sort((a, b) =>
      comparePairs(pairs[a] as PairName, pairs[b] as PairName),
    );
    return new RandomStream(seed, `split:${name}`).shuffle(sorted);
  });
  const sizes = members.map((group) => group.length);
  const total = setSizes(pairs.length);
  const test = largestRemainder(sizes, total.test);
  const val = largestRemainder(
    sizes.map((size, i) => size - (test[i] as number)),
    total.val,
  );
  const split: Record<SplitName, number[]> = { train: [], val: [], test: [] };
  for (const [i, group] of members.entries()) {
    const testEnd = test[i] as number;
    const valEnd = testEnd + (val[i] as number);
    split.test.push(...group.slice(0, testEnd));
    split.val.push(...group.slice(testEnd, valEnd));
    split.train.push(...group.slice(valEnd));
  }
  for (const name of SPLIT_NAMES) split[name].sort((a, b) => a - b);
  return split;
}

/**
 * The indices of one set of a split.
 * @param origin names the data in the error
 * @throws DataError when the set is empty
 */
export function requireSplit(split: Split, name: SplitName, origin: string): readonly number[] {
  const indices = split[name];
  if (indices.length === 0) {
    const count = SPLIT_NAMES.reduce((sum, each) => sum + split[each].length, 0);
    throw new DataError(
      `${origin}: split "${name}" is empty, expected at least 3 pairs to split, found ${count}`,
    );
  }
  return indices;
}
