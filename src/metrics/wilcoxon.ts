import { NumericalError, ShapeError } from '../errors.ts';
import type { Direction } from './metrics.ts';
import { normalUpperTail } from './normal.ts';
import { averageRanks } from './ranks.ts';

/** What the test tries to show of the differences: positive, negative, or either. */
export type Alternative = 'greater' | 'less' | 'two-sided';

/**
 * What happens to differences of exactly zero: `wilcox` drops them, `pratt` ranks them and then
 * drops their ranks, `zsplit` ranks them and gives half of their ranks to either side.
 */
export type ZeroMethod = 'wilcox' | 'pratt' | 'zsplit';

/**
 * How the p-value is found. `exact`: the distribution of W⁺ for untied ranks 1..n;
 * `asymptotic`: the normal approximation with tie correction; `permutation`: the distribution of
 * W⁺ over all sign flips of these very ranks, exact with ties too; `auto`: SciPy's choice.
 */
export type WilcoxonMethod = 'exact' | 'asymptotic' | 'permutation';

export interface WilcoxonOptions {
  /** Default `greater`. */
  readonly alternative?: Alternative;
  /** Default `wilcox`. */
  readonly zeroMethod?: ZeroMethod;
  /** Continuity correction of the normal approximation by half a rank. Default false. */
  readonly correction?: boolean;
  /** Default `auto`. */
  readonly method?: WilcoxonMethod | 'auto';
}

export interface WilcoxonResult {
  /** W⁺ for a one-sided test, min(W⁺, W⁻) for a two-sided one. */
  readonly statistic: number;
  /** Rank sum of the positive differences. */
  readonly positiveRankSum: number;
  /** Rank sum of the negative differences. */
  readonly negativeRankSum: number;
  /** Probability of a statistic at least as extreme if the differences are symmetric about 0. */
  readonly pValue: number;
  /** Standardised statistic of the normal approximation; null for the other methods. */
  readonly z: number | null;
  /** The method that was used. */
  readonly method: WilcoxonMethod;
  /** Differences that were ranked. */
  readonly count: number;
  /** Differences of exactly zero. */
  readonly zeros: number;
}

/** Largest sample for which `auto` uses the exact distribution (SciPy). */
const EXACT_LIMIT = 50;
/** Largest sample with ties or zeros for which `auto` permutes signs: 2^13 < 9999 (SciPy). */
const PERMUTATION_LIMIT = 13;

interface Statistic {
  readonly ranks: Float64Array;
  readonly ranked: Float64Array;
  readonly positive: number;
  readonly negative: number;
  readonly zeros: number;
  readonly hasTies: boolean;
  readonly mean: number;
  readonly standardError: number;
}

function statisticOf(differences: ArrayLike<number>, zeroMethod: ZeroMethod): Statistic {
  const all = Float64Array.from(differences);
  const ranked = zeroMethod === 'wilcox' ? all.filter((d) => d !== 0) : all;
  const zeros = all.reduce((count, d) => count + (d === 0 ? 1 : 0), 0);
  const { ranks, groups } = averageRanks(ranked.map(Math.abs));
  let positive = 0;
  let negative = 0;
  let zero = 0;
  ranks.forEach((rank, i) => {
    const d = ranked[i] as number;
    if (d > 0) positive += rank;
    else if (d < 0) negative += rank;
    else zero += rank;
  });
  if (zeroMethod === 'zsplit') {
    positive += zero / 2;
    negative += zero / 2;
  }
  const n = ranked.length;
  let mean = (n * (n + 1)) / 4;
  let variance = n * (n + 1) * (2 * n + 1);
  let tieGroups = groups;
  if (zeroMethod === 'pratt' && zeros > 0) {
    // Cureton 1967: the zeros took the lowest ranks, and those contribute to neither side.
    mean -= (zeros * (zeros + 1)) / 4;
    variance -= zeros * (zeros + 1) * (2 * zeros + 1);
    tieGroups = groups.slice(1);
  }
  for (const t of tieGroups) variance -= (t ** 3 - t) / 2;
  return {
    ranks,
    ranked,
    positive,
    negative,
    zeros,
    hasTies: groups.some((size) => size > 1),
    mean,
    standardError: Math.sqrt(variance / 24),
  };
}

/**
 * Probabilities of all sums of a random subset of `weights`, each taken with probability ½:
 * entry s is P(sum = s). Subset-sum dynamic programme, O(n · Σ weights).
 */
function subsetSumDistribution(weights: readonly number[]): Float64Array {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const probabilities = new Float64Array(total + 1);
  probabilities[0] = 1;
  let reached = 0;
  for (const weight of weights) {
    reached += weight;
    for (let s = reached; s >= 0; s--) {
      const without = probabilities[s] as number;
      const withWeight = s >= weight ? (probabilities[s - weight] as number) : 0;
      probabilities[s] = (without + withWeight) / 2;
    }
  }
  return probabilities;
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}

/** p-value of a sum in a discrete distribution; `low` and `high` bound it to whole numbers. */
function discreteP(
  distribution: Float64Array,
  low: number,
  high: number,
  alternative: Alternative,
): number {
  const atLeast = Math.min(1, sum(distribution.subarray(low)));
  const atMost = Math.min(1, sum(distribution.subarray(0, high + 1)));
  if (alternative === 'greater') return atLeast;
  if (alternative === 'less') return atMost;
  return Math.min(1, 2 * Math.min(atLeast, atMost));
}

function exactP(statistic: Statistic, alternative: Alternative): number {
  const ranks = statistic.ranks.map((_, i) => i + 1);
  // With ties W⁺ may end in a half; rounding to the less extreme side keeps p conservative.
  return discreteP(
    subsetSumDistribution([...ranks]),
    Math.floor(statistic.positive),
    Math.ceil(statistic.positive),
    alternative,
  );
}

function permutationP(statistic: Statistic, alternative: Alternative): number {
  // Average ranks are multiples of ½, so doubled they are whole; zeros have no sign to flip.
  const flipped = [...statistic.ranks].filter((_, i) => statistic.ranked[i] !== 0);
  const doubled = flipped.map((rank) => 2 * rank);
  let positive = 0;
  statistic.ranks.forEach((rank, i) => {
    if ((statistic.ranked[i] as number) > 0) positive += 2 * rank;
  });
  return discreteP(subsetSumDistribution(doubled), positive, positive, alternative);
}

function asymptotic(
  statistic: Statistic,
  alternative: Alternative,
  correction: boolean,
): { z: number; pValue: number } {
  let z = (statistic.positive - statistic.mean) / statistic.standardError;
  if (correction) {
    const sign = alternative === 'greater' ? 1 : alternative === 'less' ? -1 : Math.sign(z);
    z -= (sign * 0.5) / statistic.standardError;
  }
  if (alternative === 'greater') return { z, pValue: normalUpperTail(z) };
  if (alternative === 'less') return { z, pValue: normalUpperTail(-z) };
  return { z: -Math.abs(z), pValue: 2 * normalUpperTail(Math.abs(z)) };
}

/**
 * The Wilcoxon signed rank test of paired differences, with the semantics of SciPy's
 * `scipy.stats.wilcoxon` (1.17; in 1.10 the exact test differs for tied samples only).
 *
 *   W⁺ = Σ rank(|d|) over d > 0,  mean n(n+1)/4,
 *   se² = (n(n+1)(2n+1) - ½ Σ(t³ - t)) / 24,  z = (W⁺ - mean) / se,  p = ½ erfc(z / √2)
 *
 * `auto` takes the exact distribution up to 50 differences without ties or zeros, sign-flip
 * permutation up to 13 with them, the normal approximation otherwise.
 *
 * @param differences one number a pair, for example proposed score minus other score
 * @returns NaN for statistic and p of an empty sample, and for p when the normal approximation
 *   has nothing but zeros to stand on (as SciPy)
 * @throws NumericalError when a difference is NaN or infinite
 */
export function wilcoxon(
  differences: ArrayLike<number>,
  options: WilcoxonOptions = {},
): WilcoxonResult {
  const {
    alternative = 'greater',
    zeroMethod = 'wilcox',
    correction = false,
    method: asked = 'auto',
  } = options;
  const n = differences.length;
  for (let i = 0; i < n; i++) {
    if (!Number.isFinite(differences[i])) {
      throw new NumericalError(`wilcoxon: difference ${i} of ${n} is ${differences[i]}`);
    }
  }
  const statistic = statisticOf(differences, zeroMethod);
  const irregular = statistic.hasTies || statistic.zeros > 0;
  let method: WilcoxonMethod;
  if (asked !== 'auto') method = asked;
  else if (n > EXACT_LIMIT) method = 'asymptotic';
  else if (!irregular) method = 'exact';
  else method = n <= PERMUTATION_LIMIT ? 'permutation' : 'asymptotic';

  let z: number | null = null;
  let pValue = Number.NaN;
  if (n > 0) {
    if (method === 'exact') pValue = exactP(statistic, alternative);
    else if (method === 'permutation') pValue = permutationP(statistic, alternative);
    else ({ z, pValue } = asymptotic(statistic, alternative, correction));
  }
  const { positive, negative, zeros } = statistic;
  const shown = alternative === 'two-sided' ? Math.min(positive, negative) : positive;
  return {
    statistic: n === 0 ? Number.NaN : shown,
    positiveRankSum: positive,
    negativeRankSum: negative,
    pValue,
    z,
    method,
    count: statistic.ranked.length,
    zeros,
  };
}

/**
 * Differences of two systems' scores on the same images, positive where `proposed` is better:
 * proposed - other when higher is better, other - proposed when lower is.
 * @throws ShapeError when the two lists differ in length
 */
export function improvements(
  proposed: ArrayLike<number>,
  other: ArrayLike<number>,
  direction: Direction,
): Float64Array {
  if (proposed.length !== other.length) {
    throw new ShapeError(
      `paired scores: expected two lists of equal length, found ${proposed.length} and ${other.length}`,
    );
  }
  const sign = direction === 'higher' ? 1 : -1;
  return Float64Array.from(proposed, (score, i) => sign * (score - (other[i] as number)));
}
