import { join } from 'node:path';
import type { Curve } from '../report/types.ts';
import { readLog } from './run-log.ts';

/** Generator terms by what they pull towards, as the report groups them. */
const GROUPS: readonly { title: string; hint: string; pattern: RegExp }[] = [
  {
    title: 'Generator: paired terms',
    hint: 'Distance to the true image: should fall.',
    pattern: /^G_(l1|perceptual)_/,
  },
  {
    title: 'Generator: cycle terms',
    hint: 'Distance after the way there and back: should fall.',
    pattern: /^G_cycle_/,
  },
  {
    title: 'Adversarial terms',
    hint: 'A tug of war: neither side should reach zero.',
    pattern: /^(G_adversarial|D_real|D_fake)_/,
  },
];

/** Curves of a run folder's `log.jsonl` and `validation.jsonl`. */
export function trainingCurves(runFolder: string): Curve[] {
  const log = readLog(join(runFolder, 'log.jsonl'));
  if (!log.length) return [];
  const number = (value: unknown): number | null => (typeof value === 'number' ? value : null);
  const curves: Curve[] = GROUPS.map(({ title, hint, pattern }) => ({
    title,
    hint,
    xLabel: 'step',
    x: log.map((record) => record.step),
    smooth: true,
    series: Object.keys(log[0])
      .filter((name) => pattern.test(name))
      .map((name) => ({ name, values: log.map((record) => number(record[name])) })),
  }));
  const validation = readLog(join(runFolder, 'validation.jsonl'));
  for (const [name, label] of [
    ['psnr', 'Validation PSNR (dB)'],
    ['ssim', 'Validation SSIM'],
  ]) {
    if (validation.length < 2) break;
    curves.push({
      title: label,
      hint: 'On pairs that the training does not see: should rise.',
      xLabel: 'step',
      x: validation.map((record) => record.step),
      series: [{ name, values: validation.map((record) => number(record[name])) }],
    });
  }
  return curves;
}
