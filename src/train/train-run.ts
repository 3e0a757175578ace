import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { writePng } from '../data/image.node.ts';
import { PairLoader } from '../data/loader.ts';
import type { PairName, PairSource } from '../data/pairs.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { checkPrecision } from '../methods/check-precision.ts';
import { ENHANCER_PREFIX, type Method } from '../methods/method.ts';
import { precisionOf } from '../methods/precision.ts';
import { PerceptualDistance } from '../nn/perceptual/perceptual-distance.ts';
import { montage } from '../report/montage.ts';
import { loadCheckpoint, stepFolderName } from '../run/checkpoint.ts';
import type { EvaluatedImages } from '../run/evaluate.ts';
import { readPerceptual } from '../run/perceptual.ts';
import { expectSameSplit, readRecordedSplit, recordSplit } from '../run/recorded-split.ts';
import {
  checkRunFolder,
  prepareRunFolder,
  type RunConfiguration,
  versions,
  writeRunConfiguration,
} from '../run/run-folder.ts';
import { describeConfiguration, type TrainConfiguration } from './configuration.ts';
import { expectSameRun } from './identity.ts';
import { chooseKernels } from './kernels.ts';
import { type TrainEvents, Trainer, type ValidationRecord } from './trainer.ts';
import { trainingLoader } from './training-loader.ts';
import { reportPath, writeTrainingReport } from './training-report.ts';

export interface TrainRunInput {
  readonly gpu: Gpu;
  readonly configuration: TrainConfiguration;
  readonly train: PairSource;
  /** Pairs that choose the model; without any, the last checkpoint is the result. */
  readonly validation: PairSource | undefined;
  /** Pairs held out for scoring later; checkpoints record their names. */
  readonly test?: readonly PairName[];
  readonly runFolder: string;
  readonly weights: string | undefined;
  readonly resume: boolean;
  /** As the user typed it. */
  readonly command: string;
  readonly events?: TrainEvents;
  readonly log: (line: string) => void;
}

export interface TrainRunResult {
  readonly step: number;
  /** Checkpoint folder of the selected model: the best on validation, else the last. */
  readonly selected: string;
}

/**
 * Trains into a run folder: configuration, log, checkpoints, sample pictures and a report. Everything that can be
 * wrong with folders, options, weights or checkpoint is found before anything is written.
 */
export async function trainRun(input: TrainRunInput): Promise<TrainRunResult> {
  const { gpu, configuration, runFolder, log } = input;
  await checkPrecision(gpu, precisionOf(configuration.method));
  await checkRunFolder(runFolder, input.resume);
  const checkpoint = input.resume ? await loadCheckpoint(runFolder) : undefined;
  for (const line of checkpoint?.skipped ?? []) log(`passed over: ${line}`);
  const { train, validation, test } = input;
  const split = recordSplit({ train: train.pairs, val: validation?.pairs, test });
  if (checkpoint) {
    const { folder, state } = checkpoint;
    expectSameRun(checkpoint, configuration, train.pairs.length);
    expectSameSplit(readRecordedSplit(state.extra, folder), split, folder);
  }
  const weights = await readPerceptual(configuration.perceptual, input.weights, configuration.size);
  await chooseKernels(gpu, configuration, weights, checkpoint, log);
  await prepareRunFolder(runFolder);
  const perceptual = weights && new PerceptualDistance(gpu, weights.name, weights.weights);
  const method = configuration.method.create(gpu, perceptual);
  // Making a method may record commands, which must be done before a checkpoint's tensors are written.
  await gpu.flush();
  log(describeMethod(configuration.method.label, method, perceptual?.label));
  log(describeScored(configuration));
  let shown: ValidationRecord | undefined;
  const trainer = new Trainer({
    gpu,
    method,
    configuration,
    loader: trainingLoader(train, configuration),
    validation: validation && scoringLoader(validation, configuration),
    split,
    runFolder,
    events: {
      ...input.events,
      onValidation: (record) => {
        writeSamples(runFolder, record.step, record.images);
        if (record.selected || !shown?.selected) shown = record;
        input.events?.onValidation?.(record);
      },
    },
  });
  const run: RunConfiguration = {
    command: input.command,
    adapter: gpu.description,
    versions: versions(),
    started: new Date().toISOString(),
    options: describeConfiguration(configuration),
    kernels: gpu.choices.toJSON(),
  };
  try {
    if (checkpoint) {
      trainer.resume(checkpoint);
      log(`resumed from ${checkpoint.folder}`);
    } else {
      await writeRunConfiguration(runFolder, run);
    }
    await trainer.run();
    // A run that was at its end has a report, with scores and pictures that this session did not make.
    const isIdle = trainer.step === checkpoint?.state.step && !shown;
    if (!isIdle || !existsSync(reportPath(runFolder))) {
      await writeTrainingReport(runFolder, configuration.method.label, run, trainer.step, shown);
    }
    const best = trainer.bestScores.ssim?.step ?? trainer.step;
    return {
      step: trainer.step,
      selected: join(runFolder, 'checkpoints', stepFolderName(best)),
    };
  } finally {
    trainer.dispose();
    method.dispose();
    perceptual?.dispose();
  }
}

/** A loader for scoring: centre crops in fixed order. */
export function scoringLoader(
  source: PairSource,
  options: { readonly size: number; readonly fit: 'crop' | 'resize'; readonly batch: number },
): PairLoader {
  const { batch, size, fit } = options;
  return new PairLoader(source, { batch, size, fit, crops: 'centre' });
}

function writeSamples(runFolder: string, step: number, images: readonly EvaluatedImages[]): void {
  if (!images.length) return;
  const rows = images.map(({ size, low, enhanced, high }) =>
    [low, enhanced, high].map((data) => ({ width: size, height: size, data })),
  );
  writePng(join(runFolder, 'samples', `${stepFolderName(step)}.png`), montage(rows));
}

/** Which weights validation, evaluation and enhancing take. */
function describeScored({ ema }: TrainConfiguration): string {
  const generator = ENHANCER_PREFIX.replace('.', '');
  return ema > 0
    ? `scored: the exponential average of ${generator}, decay ${ema}`
    : `scored: ${generator} as trained`;
}

function describeMethod(label: string, method: Method, perceptual: string | undefined): string {
  const sizes = [...method.networks].map(
    ([prefix, network]) =>
      `${prefix.replace('.', '')} ${network.parameters.count.toLocaleString('en-US')}`,
  );
  return `${label}: parameters ${sizes.join(', ')}; perceptual loss ${perceptual ?? 'none'}`;
}
