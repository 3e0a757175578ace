/**
 * `npm start`: the whole way on simulated data. Makes pairs, trains a small configuration of the
 * paper's proposed method, scores it on held-out pairs, and writes a report. Fails if the scores do
 * not beat the unenhanced images.
 */
import { existsSync, readdirSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { writePng } from '../src/data/image.node.ts';
import type { GrayImage } from '../src/data/image.ts';
import { PairLoader } from '../src/data/loader.ts';
import { selectPairs } from '../src/data/pairs.ts';
import { simulatedSource } from '../src/data/simulator/simulator.ts';
import { SonoliftError, UsageError } from '../src/errors.ts';
import { type EvaluationSummary, formatTable, summariseEvaluation } from '../src/eval/results.ts';
import { requireWritableFolder, writeFileAtomic } from '../src/files.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import { metricNamed } from '../src/metrics/metrics.ts';
import { openNodeGpu } from '../src/node.ts';
import { loadReportAssets } from '../src/report/assets.node.ts';
import { montage } from '../src/report/montage.ts';
import { renderReport } from '../src/report/report.ts';
import { type EvaluatedImages, evaluatePairs } from '../src/run/evaluate.ts';
import { loadModel, methodOf } from '../src/run/model.ts';
import { numberOption, type ProgramSpec, parseOptions, stringOption } from '../src/run/options.ts';
import { openPerceptual } from '../src/run/perceptual.ts';
import { runProgram } from '../src/run/program.ts';
import { shellWord } from '../src/run/shell-word.ts';
import {
  describeConfiguration,
  TRAIN_PROGRAM,
  type TrainConfiguration,
  trainConfiguration,
} from '../src/train/configuration.ts';
import { TrainProgress } from '../src/train/progress.ts';
import { trainRun } from '../src/train/train-run.ts';
import { trainingCurves } from '../src/train/training-report.ts';

const PROGRAM: ProgramSpec = {
  command: 'npm start --',
  summary: 'Simulates pairs, trains a small model on them, scores it and writes a report.',
  options: {
    out: { description: 'run folder', default: 'runs/first', what: 'RUN' },
    steps: { description: 'training steps', default: 800, integer: true, min: 1 },
    minutes: { description: 'stop training after this time', default: 4.5, min: 0.05, max: 5 },
    seed: {
      description: 'seed of everything',
      default: 1,
      integer: true,
      min: 0,
      max: 2 ** 32 - 1,
    },
    device: { description: 'auto, system, swiftshader, or part of an adapter name', what: 'NAME' },
  },
};

const COUNTS = { train: 192, validation: 12, test: 24 };

/**
 * A configuration of the proposed method that learns something in minutes on two cores, even on
 * SwiftShader: where kernels are small, many steps of one image get further than few of four.
 */
const SMALL = [
  ...['--size', '64', '--levels', '4', '--ngf', '8', '--ndf', '8', '--batch', '1'],
  ...['--lr', '0.003', '--lr-every', '1', '--lr-gamma', '0.5', '--dropout', '0'],
  ...['--perceptual', 'random-features'],
];

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

await runProgram(PROGRAM, async ({ values }) => {
  const out = stringOption(values, 'out');
  const seed = numberOption(values, 'seed');
  const { values: trainValues } = parseOptions(TRAIN_PROGRAM, [
    ...SMALL,
    ...['--seed', String(seed), '--steps', String(numberOption(values, 'steps'))],
    ...['--data', 'simulated', '--out', out],
  ]);
  const configuration = trainConfiguration(trainValues);
  await requireWritableFolder(out);
  requireRunOrNothing(out);
  requireRunOrNothing(previousOf(out));
  const gpu = await openNodeGpu({
    device: typeof values.device === 'string' ? values.device : undefined,
    log: print,
  });
  await setAside(out);

  const { size } = configuration;
  const total = COUNTS.train + COUNTS.validation + COUNTS.test;
  print(`data ${total} simulated pairs of ${size}x${size}: ${describe(COUNTS)}`);
  const source = simulatedSource(seed, total, { size });
  const range = (from: number, count: number) =>
    selectPairs(
      source,
      Array.from({ length: count }, (_, index) => from + index),
    );
  const train = range(0, COUNTS.train);
  const validation = range(COUNTS.train, COUNTS.validation);
  const test = range(COUNTS.train + COUNTS.validation, COUNTS.test);

  const deadline = performance.now() + numberOption(values, 'minutes') * 60_000;
  const progress = new TrainProgress(configuration, train.pairs.length);
  const result = await trainRun({
    gpu,
    configuration,
    train,
    validation,
    test: test.pairs,
    runFolder: out,
    weights: undefined,
    resume: false,
    command: `npm start -- ${process.argv.slice(2).map(shellWord).join(' ')}`.trim(),
    events: { ...progress.events, shouldStop: () => performance.now() > deadline },
    log: print,
  });
  progress.finish();

  const { summary, images } = await score(gpu, result.selected, test, configuration.size);
  print('');
  print(`held-out scores of ${summary.count} pairs, model of step ${summary.subject.step}:`);
  print(formatTable(summary));
  const report = join(out, 'report.html');
  await writeFileAtomic(report, firstReport(out, summary, images, configuration));
  writePng(join(out, 'pictures.png'), samplePicture(images));
  print(`report ${report}`);
  gpu.close();
  assertBetter(summary);
  print('The enhanced images beat "reference low" on PSNR and SSIM.');
});

/** Where the run before this one is kept. */
function previousOf(folder: string): string {
  return `${resolve(folder)}.previous`;
}

/** @throws UsageError if a folder that is about to be moved or removed holds something else than a run */
function requireRunOrNothing(folder: string): void {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  if (names.length > 0 && !names.includes('config.json') && !names.includes('checkpoints')) {
    throw new UsageError(
      `--out ${folder}: expected a new folder or an earlier run, found ${names[0]}`,
    );
  }
}

/** Keeps one earlier run under another name, so that the command can be repeated. */
async function setAside(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  const previous = previousOf(folder);
  await rm(previous, { recursive: true, force: true });
  await rename(folder, previous);
  print(`moved the earlier ${folder} to ${relative('.', previous)}`);
}

async function score(
  gpu: Gpu,
  checkpoint: string,
  test: ReturnType<typeof selectPairs>,
  size: number,
): Promise<{ summary: EvaluationSummary; images: EvaluatedImages[] }> {
  const model = await loadModel(gpu, checkpoint);
  const perceptual = await openPerceptual(gpu, 'random-features', undefined);
  const metrics = ['psnr', 'ssim', 'lncc_paper', 'lncc'].map((name) => metricNamed(name));
  const images: EvaluatedImages[] = [];
  const pairs = await evaluatePairs(
    gpu,
    model.method,
    new PairLoader(test, { batch: 4, size, fit: 'crop', crops: 'centre' }),
    {
      metrics: metrics.filter((metric) => metric.kind === 'host'),
      perceptual: perceptual ? [perceptual] : [],
      onImages: (item) => images.push(item),
    },
  );
  const summary = summariseEvaluation(pairs, {
    checkpoint,
    step: model.step,
    method: methodOf(model),
    weights: model.weights,
    data: 'simulated',
    split: 'test',
    splitSeed: 0,
    size,
    fit: 'crop',
    precision: 'f32',
    adapter: gpu.description,
  });
  return { summary, images };
}

/** Held-out pairs, two a row: low, enhanced, high. */
function samplePicture(images: readonly EvaluatedImages[]): GrayImage {
  const triples = images
    .slice(0, 4)
    .map(({ size, low, enhanced, high }) =>
      [low, enhanced, high].map((data) => ({ width: size, height: size, data })),
    );
  const rows = [triples.slice(0, 2).flat(), triples.slice(2, 4).flat()];
  const names = ['low quality', 'enhanced', 'high quality'];
  return montage(rows, { columnLabels: [...names, ...names], scale: 3 });
}

function firstReport(
  runFolder: string,
  summary: EvaluationSummary,
  images: readonly EvaluatedImages[],
  training: TrainConfiguration,
): string {
  const { subject } = summary;
  const picture = (size: number, data: Float32Array) => ({ width: size, height: size, data });
  return renderReport(
    {
      title: 'First run',
      subtitle: `The proposed method, small, ${subject.step} of at most ${training.steps ?? '?'} steps on simulated pairs`,
      command: 'npm start',
      scoredOn: `${summary.count} held-out simulated pairs`,
      configuration: {
        ...subject,
        training: JSON.parse(JSON.stringify(describeConfiguration(training))),
      },
      adapter: subject.adapter,
      curves: trainingCurves(runFolder),
      scores: summary.comparisons,
      pictures: images.slice(0, 8).map(({ name, organ, size, low, enhanced, high }, index) => ({
        caption: `simulated ${organ} ${name}`,
        low: picture(size, low),
        enhanced: picture(size, enhanced),
        high: picture(size, high),
        scores: summary.comparisons.map(({ metric }) => ({
          metric: metric.name,
          low: summary.pairs[index].reference[metric.name],
          enhanced: summary.pairs[index].enhanced[metric.name],
        })),
      })),
      notes: [
        'Images are simulated and the model is small: this shows that everything works here, not what the method can do.',
        'The perceptual loss is random-features (seeded, untrained), not LPIPS, which needs a weights folder.',
      ],
    },
    loadReportAssets(),
  );
}

/** @throws SonoliftError if the model does not beat the unenhanced images on PSNR and SSIM */
function assertBetter(summary: EvaluationSummary): void {
  const lost = summary.comparisons
    .filter(({ metric }) => metric.name === 'psnr' || metric.name === 'ssim')
    .filter(({ baseline, model }) => !(model.mean > baseline.mean))
    .map(({ metric, baseline, model }) => `${metric.label} ${model.mean} against ${baseline.mean}`);
  if (lost.length) {
    throw new SonoliftError(`the enhanced images do not beat "reference low": ${lost.join('; ')}`);
  }
}

function describe(counts: typeof COUNTS): string {
  return `${counts.train} train, ${counts.validation} validation, ${counts.test} test`;
}
