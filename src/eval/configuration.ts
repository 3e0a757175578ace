import type { ElementType } from '../../kernels/element-types.ts';
import { FIT_MODES, type FitMode } from '../data/fit.ts';
import { SPLIT_NAMES, type SplitName } from '../data/split.ts';
import { UsageError } from '../errors.ts';
import type { TuneChoice } from '../gpu/tuning/tune-mode.ts';
import { DEFAULT_HOST_METRICS, HOST_METRICS, type HostMetric } from '../metrics/metrics.ts';
import { PERCEPTUAL_NAMES } from '../nn/perceptual/trunks.ts';
import { MODEL_WEIGHTS_OPTION, type ModelChoice, type ModelWeights } from '../run/model.ts';
import {
  booleanOption,
  numberOption,
  optionalNumber,
  optionalString,
  type ParsedOptions,
  PRECISION_OPTION,
  type ProgramSpec,
  precisionOption,
  stringOption,
  TUNE_OPTION,
  tuneOption,
} from '../run/options.ts';

/** What one evaluation does. */
export interface EvaluationPlan {
  readonly checkpoint: string;
  readonly select: ModelChoice;
  /** Default: the exponential average if there is one. */
  readonly modelWeights: ModelWeights | undefined;
  readonly data: string;
  readonly split: SplitName | 'all';
  /** These three default to what the model was trained with. */
  readonly splitSeed: number | undefined;
  readonly size: number | undefined;
  readonly fit: FitMode | undefined;
  readonly metrics: readonly HostMetric[];
  readonly perceptual: readonly string[];
  readonly weights: string | undefined;
  readonly batch: number;
  readonly out: string | undefined;
  readonly pictures: number;
  readonly json: boolean;
  readonly device: string | undefined;
  /** How the generator's activations are stored; the distances' are f32. */
  readonly precision: ElementType;
  readonly tune: TuneChoice;
}

const METRIC_LINES = HOST_METRICS.map(({ name, summary }) => `  ${name.padEnd(30)}${summary}`).join(
  '\n',
);

export const EVAL_PROGRAM: ProgramSpec = {
  command: 'npx tsx src/eval',
  summary: `Scores a trained model on held-out pairs beside "reference low" (the low images unchanged).\n\nMetrics (--metrics a,b or all):\n${METRIC_LINES}`,
  options: {
    checkpoint: { description: 'checkpoint or run folder', what: 'PATH', required: true },
    data: {
      description: 'folder of image pairs in the USEnhance layout',
      what: 'DIR',
      required: true,
    },
    select: {
      description: 'which checkpoint of a run folder: best on validation, or the latest',
      default: 'best',
      choices: ['best', 'latest'],
    },
    'model-weights': MODEL_WEIGHTS_OPTION,
    split: {
      description: 'pairs to score, of the split that the run recorded',
      default: 'test',
      choices: [...SPLIT_NAMES, 'all'],
    },
    'split-seed': {
      description:
        'seed of the split; default that of the training run; another must hold out nothing seen in training',
      type: 'number',
      integer: true,
      min: 0,
      max: 2 ** 32 - 1,
    },
    size: {
      description: 'side of the scored images; default that of the training run',
      type: 'number',
      integer: true,
      min: 16,
      max: 4096,
    },
    fit: {
      description: 'crop or resize; default that of the training run',
      choices: FIT_MODES,
    },
    metrics: {
      description: 'comma-separated metrics, or all',
      default: DEFAULT_HOST_METRICS.join(','),
      what: 'LIST',
    },
    perceptual: {
      description: `comma-separated distances of ${PERCEPTUAL_NAMES.join(', ')}, or none; default alex,squeeze with --weights, else none`,
      what: 'LIST',
    },
    weights: { description: 'folder of perceptual weights (safetensors or .pth)', what: 'DIR' },
    batch: { description: 'images at a time', default: 4, integer: true, min: 1, max: 256 },
    out: {
      description: 'folder for scores.csv, scores.json, report.html and pictures',
      what: 'DIR',
    },
    pictures: {
      description: 'pictures in the report',
      default: 12,
      integer: true,
      min: 0,
      max: 500,
    },
    json: { description: 'print the result as JSON on stdout', default: false },
    precision: PRECISION_OPTION,
    tune: TUNE_OPTION,
    device: { description: 'auto, system, swiftshader, or part of an adapter name', what: 'NAME' },
  },
};

/** @throws UsageError for an unknown metric or distance */
export function evaluationPlan(values: ParsedOptions['values']): EvaluationPlan {
  const weights = optionalString(values, 'weights');
  return {
    checkpoint: stringOption(values, 'checkpoint'),
    select: stringOption(values, 'select') as ModelChoice,
    modelWeights: optionalString(values, 'model-weights') as ModelWeights | undefined,
    data: stringOption(values, 'data'),
    split: stringOption(values, 'split') as EvaluationPlan['split'],
    splitSeed: optionalNumber(values, 'split-seed'),
    size: optionalNumber(values, 'size'),
    fit: optionalString(values, 'fit') as FitMode | undefined,
    metrics: pickMetrics(stringOption(values, 'metrics')),
    perceptual: pickPerceptual(optionalString(values, 'perceptual'), weights),
    weights,
    batch: numberOption(values, 'batch'),
    out: optionalString(values, 'out'),
    pictures: numberOption(values, 'pictures'),
    json: booleanOption(values, 'json'),
    device: optionalString(values, 'device'),
    precision: precisionOption(values),
    tune: tuneOption(values),
  };
}

function pickMetrics(list: string): HostMetric[] {
  if (list === 'all') return [...HOST_METRICS];
  return list.split(',').map((name) => {
    const found = HOST_METRICS.find((metric) => metric.name === name.trim());
    if (!found) {
      const known = HOST_METRICS.map((metric) => metric.name).join(', ');
      throw new UsageError(`--metrics: expected some of ${known}, found ${name}`);
    }
    return found;
  });
}

function pickPerceptual(list: string | undefined, weights: string | undefined): string[] {
  if (list === undefined) return weights ? ['alex', 'squeeze'] : [];
  if (list === 'none') return [];
  return list.split(',').map((name) => {
    const found = PERCEPTUAL_NAMES.find((known) => known === name.trim());
    if (!found) {
      throw new UsageError(
        `--perceptual: expected some of ${PERCEPTUAL_NAMES.join(', ')}, or none alone, found ${name}`,
      );
    }
    return found;
  });
}
