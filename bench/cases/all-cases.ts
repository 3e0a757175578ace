import { attentionCases } from './attention.ts';
import { convolutionCases } from './convolution.ts';
import type { KernelCase } from './kernel-case.ts';
import { lpipsCases } from './lpips.ts';
import { memoryCases } from './memory.ts';
import { normalisationCases } from './normalisation.ts';
import { resamplingCases } from './resampling.ts';

/** Batch sizes of the tables: the least, and the paper's. */
export const BATCHES: readonly number[] = [1, 4];

/** Everything `npm run bench` times, in the order of the tables. */
export function allCases(): KernelCase[] {
  return [
    ...convolutionCases(BATCHES),
    ...normalisationCases(BATCHES),
    ...attentionCases(BATCHES),
    ...lpipsCases(BATCHES),
    ...memoryCases(BATCHES),
    ...resamplingCases(BATCHES),
  ];
}

/** Cases whose name has every filter in it. */
export function filterCases(
  cases: readonly KernelCase[],
  filters: readonly string[],
): KernelCase[] {
  return cases.filter(({ name }) => filters.every((filter) => name.includes(filter)));
}
