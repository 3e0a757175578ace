import { join } from 'node:path';
import { RandomStream } from '../autograd/philox.ts';
import { writeFileAtomic } from '../files.ts';
import { compareScores } from '../metrics/comparison.ts';
import { loadReportAssets } from '../report/assets.node.ts';
import { renderReport } from '../report/report.ts';
import type { ConfigurationValue, Curve, Picture } from '../report/types.ts';
import type { RunConfiguration } from '../run/run-folder.ts';
import { readLog } from './run-log.ts';
import type { ValidationRecord } from './trainer.ts';

/** Generator terms by what they pull towards, as the report groups them. */
const GROUPS: readonly { title: string; hint: string; pattern: RegExp }[] = [
  {
    title: 'Generator: paired terms',
    hint: 'Distance to the true image: should fall.',
    pattern: /^G_(l1|perceptual|registration|smooth)_/,
  },
  {
    title: 'Generator: cycle and identity terms',
    hint: 'Distance after the way there and back, and of an image that was good already: should fall.',
    pattern: /^G_(cycle|identity)_/,
  },
  {
    title: 'Generator: structure terms',
    hint: 'How alike superpixels are to those of the source (smc), and how far from the teacher (tsc): should fall.',
    pattern: /^G_(smc|tsc)_/,
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
  })).filter(({ series }) => series.length > 0);
  const validation = readLog(join(runFolder, 'validation.jsonl'));
  for (const [name, label] of [
    ['psnr', 'Validation PSNR (dB)'],
    ['ssim', 'Validation SSIM'],
  ]) {
    if (validation.length < 2) break;
    const values = (field: string) => validation.map((record) => number(record[field]));
    curves.push({
      title: label,
      hint: 'On pairs that the training does not see: should rise above the low-quality images.',
      xLabel: 'step',
      x: validation.map((record) => record.step),
      series: [
        { name: 'model', values: values(name) },
        { name: 'reference low', values: values(`low_${name}`) },
      ],
    });
  }
  return curves;
}

/** Where the report of a run folder is. */
export function reportPath(runFolder: string): string {
  return join(runFolder, 'report.html');
}

/**
 * Writes `report.html` of a training run: curves and, if this session validated, scores and pictures
 * of the selected model's validation (of the latest one, if none was selected in this session).
 */
export async function writeTrainingReport(
  runFolder: string,
  method: string,
  run: RunConfiguration,
  step: number,
  validation: ValidationRecord | undefined,
): Promise<void> {
  const html = renderReport(
    {
      title: `Training run: ${method}`,
      subtitle: `${runFolder}, ${step} steps, started ${run.started}`,
      command: run.command,
      scoredOn: validation
        ? `${validation.pairs.length} validation pairs by the model of step ${validation.step}`
        : '',
      configuration: plainJson(run.options),
      adapter: run.adapter,
      curves: trainingCurves(runFolder),
      scores: validation ? comparisons(validation) : [],
      pictures: validation ? pictures(validation) : [],
      notes: [
        'Validation pairs chose the model: score it on test pairs with src/eval before you believe it.',
      ],
    },
    loadReportAssets(),
  );
  await writeFileAtomic(reportPath(runFolder), html);
}

function comparisons({ pairs }: ValidationRecord) {
  return Object.keys(pairs[0]?.enhanced ?? {}).map((name) =>
    compareScores(
      name,
      pairs.map((pair) => pair.reference[name]),
      pairs.map((pair) => pair.enhanced[name]),
      new RandomStream(0, `bootstrap:${name}`),
    ),
  );
}

/** The first pairs of the validation, whose images it passes on. */
function pictures({ images, pairs }: ValidationRecord): Picture[] {
  return images.map(({ organ, name, size, low, enhanced, high }, index) => {
    const picture = (data: Float32Array) => ({ width: size, height: size, data });
    return {
      caption: `${organ} ${name}`,
      low: picture(low),
      enhanced: picture(enhanced),
      high: picture(high),
      scores: Object.keys(pairs[index].enhanced).map((metric) => ({
        metric,
        low: pairs[index].reference[metric],
        enhanced: pairs[index].enhanced[metric],
      })),
    };
  });
}

/** A configuration as JSON would give it back: without what is undefined. */
function plainJson(value: unknown): { [key: string]: ConfigurationValue } {
  return JSON.parse(JSON.stringify(value));
}
