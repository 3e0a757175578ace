import type { Scores } from '../run/evaluate.ts';

/** Validation metrics that choose the model, all better when higher (authors' code). */
export const SELECTION_METRICS = ['ssim', 'psnr', 'lncc_paper'] as const;

/** Best trio so far, by metric. */
export type Best = Readonly<Record<string, { readonly value: number; readonly step: number }>>;

/**
 * The authors' rule: an epoch is kept if at least two of validation SSIM, PSNR and LNCC beat the
 * stored trio; then all three are overwritten.
 * @returns the new trio, or `undefined` if the epoch is not kept
 */
export function selectModel(best: Best, scores: Scores, step: number): Best | undefined {
  const wins = SELECTION_METRICS.filter(
    (metric) => scores[metric] > (best[metric]?.value ?? Number.NEGATIVE_INFINITY),
  );
  if (wins.length < 2) return undefined;
  return Object.fromEntries(
    SELECTION_METRICS.map((metric) => [metric, { value: scores[metric], step }]),
  );
}
