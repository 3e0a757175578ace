/** The order of systems beside that of the paper's Table 2: the numbers are of other data, the order may agree. */
import { type MetricDescription, metricNamed } from '../../metrics/metrics.ts';
import type { RankedRow } from '../../metrics/ranking.ts';
import type { TableCell, TextTable } from '../../report/text-table.ts';
import { REFERENCE_LOW } from './collect.ts';

type PaperScores = Readonly<Record<'lncc_paper' | 'ssim' | 'psnr' | 'lpips', number>>;

/** Athreya et al., JMIR Biomed Eng 2024;9:e58911, Table 2. */
const PAPER: Readonly<Record<string, PaperScores>> = {
  [REFERENCE_LOW]: { lncc_paper: 0.7836, ssim: 0.2363, psnr: 14.2978, lpips: 0.508 },
  pix2pix: { lncc_paper: 0.8491, ssim: 0.2862, psnr: 16.3914, lpips: 0.4664 },
  mspgan: { lncc_paper: 0.8535, ssim: 0.2796, psnr: 16.2602, lpips: 0.4709 },
  cyclegan: { lncc_paper: 0.8271, ssim: 0.2622, psnr: 14.9126, lpips: 0.4828 },
  reggan: { lncc_paper: 0.8475, ssim: 0.2809, psnr: 16.2721, lpips: 0.4855 },
  'stable-cyclegan': { lncc_paper: 0.8145, ssim: 0.2502, psnr: 14.943, lpips: 0.5005 },
  proposed: { lncc_paper: 0.8454, ssim: 0.2889, psnr: 15.8935, lpips: 0.449 },
};

/** The paper's column that a metric is held against; every trunk's LPIPS against its only one. */
function paperColumn(metric: string): keyof PaperScores | undefined {
  if (metric === 'lncc_paper' || metric === 'ssim' || metric === 'psnr') return metric;
  return metric.startsWith('lpips_') ? 'lpips' : undefined;
}

/** Places from 1, the best; equal scores share the better place. */
export function placesOf(scores: readonly number[], direction: 'higher' | 'lower'): number[] {
  const sign = direction === 'higher' ? 1 : -1;
  return scores.map((score) => 1 + scores.filter((other) => sign * (other - score) > 0).length);
}

/**
 * Kendall's τ_b of two lists: pairs in the same order less pairs in the opposite one, over the geometric
 * mean of the pairs that are no ties in either. NaN of lists without such pairs.
 */
export function kendallTau(a: readonly number[], b: readonly number[]): number {
  let [agreement, inA, inB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j < i; j++) {
      const [p, q] = [Math.sign(a[i] - a[j]), Math.sign(b[i] - b[j])];
      agreement += p * q;
      inA += Math.abs(p);
      inB += Math.abs(q);
    }
  }
  return agreement / Math.sqrt(inA * inB);
}

/**
 * Places of the systems that the paper has too, ours beside the paper's among the same systems.
 * @returns undefined for fewer than three such systems, among which an order says little
 */
export function orderTable(
  ranked: readonly RankedRow[],
  metrics: readonly MetricDescription[],
): TextTable | undefined {
  const rows = ranked.filter(({ id }) => Object.hasOwn(PAPER, id));
  if (rows.length < 3) return undefined;
  const columns = metrics.flatMap(({ name }) => {
    const column = paperColumn(name);
    if (column === undefined) return [];
    const metric = metricNamed(name);
    const ours = rows.map(({ cells }) => cells[name].summary.mean);
    const theirs = rows.map(({ id }) => PAPER[id][column]);
    return [
      {
        metric,
        ours: placesOf(ours, metric.direction),
        theirs: placesOf(theirs, metric.direction),
        tau: kendallTau(ours, theirs),
      },
    ];
  });
  const taus = columns.map(({ metric, tau }) => `${metric.label} ${tau.toFixed(2)}`);
  return {
    name: 'Order beside the paper’s',
    caption:
      'Place of each system among those of this table, 1 the best; in parentheses its place by the paper’s Table 2.',
    columns: [
      { label: 'System', align: 'left' },
      ...columns.map(({ metric }) => ({ label: metric.label })),
    ],
    rows: rows.map(({ label }, at): TableCell[] => [
      { text: label },
      ...columns.map(({ ours, theirs }) => ({
        text: `${ours[at]} (${theirs[at]})`,
        value: ours[at],
        isBold: ours[at] === theirs[at],
      })),
    ]),
    notes: [
      `Bold: the same place. Kendall’s τ of the two orders, 1 if they are the same and −1 if reversed: ${taus.join(', ').replaceAll('-', '−')}.`,
      'The paper’s scores are of other images, at 256 pixels after 300 epochs; it has one LPIPS, probably of VGG.',
    ],
  };
}
