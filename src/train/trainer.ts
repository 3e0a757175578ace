import { join } from 'node:path';
import { countNonFinite } from '../autograd/finite.ts';
import type { Batch as HostBatch, PairLoader } from '../data/loader.ts';
import { NumericalError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Method } from '../methods/method.ts';
import { assertScales } from '../methods/precision.ts';
import { nonFiniteLosses, StepLog } from '../methods/step-log.ts';
import { StepRunner } from '../methods/step-runner.ts';
import { HOST_METRICS } from '../metrics/metrics.ts';
import { type LoadedCheckpoint, saveCheckpoint } from '../run/checkpoint.ts';
import {
  averageScores,
  type EvaluatedImages,
  evaluatePairs,
  type PairScores,
  type Scores,
} from '../run/evaluate.ts';
import { methodTensors, readScalers } from '../run/method-state.ts';
import { type RecordedSplit, readRecordedSplit } from '../run/recorded-split.ts';
import { assertFiniteBatch, assertFiniteTensors } from './check-finite.ts';
import { learningRateOf, plannedStepsOf, type TrainConfiguration } from './configuration.ts';
import { type LogRecord, RunLog } from './run-log.ts';
import { type Position, restoreMethod, trainingState } from './run-state.ts';
import { type Best, SELECTION_METRICS, selectModel } from './selection.ts';

/** What the outside sees of a run while it goes on. */
export interface TrainEvents {
  /** Told once, before the first step, at which step the run starts: 0, or where it was resumed. */
  readonly onStart?: (step: number) => void;
  readonly onSteps?: (records: readonly LogRecord[]) => void;
  readonly onValidation?: (record: ValidationRecord) => void;
  readonly onCheckpoint?: (folder: string) => void;
  /** Asked before every step; true ends the run after a last validation and checkpoint. */
  readonly shouldStop?: () => boolean;
  /**
   * Asked before every step; true ends the run after a checkpoint and nothing more, so that resuming
   * it goes on as if it had never stopped.
   */
  readonly isInterrupted?: () => boolean;
}

export interface ValidationRecord {
  readonly step: number;
  readonly epoch: number;
  /** Means over the validation pairs: of the enhanced images, and of the low ones unchanged. */
  readonly scores: Scores;
  readonly reference: Scores;
  readonly pairs: readonly PairScores[];
  /** Whether the epoch became the selected model. */
  readonly selected: boolean;
  readonly images: readonly EvaluatedImages[];
}

/** Validation pictures passed on to `onValidation`. */
const SAMPLE_PAIRS = 4;

/** Trains one method on one device, writing the run folder as it goes. */
export class Trainer {
  private readonly gpu: Gpu;
  private readonly method: Method;
  private readonly configuration: TrainConfiguration;
  private readonly loader: PairLoader;
  private readonly validation: PairLoader | undefined;
  private readonly runFolder: string;
  private readonly events: TrainEvents;
  /** Names of the pairs of each set, for checkpoints. */
  private split: RecordedSplit;
  private readonly stepLog: StepLog;
  private readonly runner: StepRunner;
  private readonly position: Position = { step: 0, epoch: 0, batchIndex: 0 };
  private readonly waiting: { epoch: number; learningRate: number }[] = [];
  private best: Best = {};
  private stopped = false;
  private interrupted = false;
  private savedStep = -1;
  private validatedStep = -1;
  private lastRead = performance.now();

  constructor(input: {
    gpu: Gpu;
    method: Method;
    configuration: TrainConfiguration;
    loader: PairLoader;
    validation?: PairLoader;
    split: RecordedSplit;
    runFolder: string;
    events?: TrainEvents;
  }) {
    this.gpu = input.gpu;
    this.method = input.method;
    this.configuration = input.configuration;
    this.loader = input.loader;
    this.validation = input.validation;
    this.split = input.split;
    this.runFolder = input.runFolder;
    this.events = input.events ?? {};
    this.runner = new StepRunner(this.gpu, this.method);
    this.stepLog = new StepLog(input.gpu, input.method, input.configuration.readEvery);
  }

  /** Steps done so far. */
  get step(): number {
    return this.position.step;
  }

  /** Best validation trio so far, by metric. */
  get bestScores(): Best {
    return this.best;
  }

  /**
   * Takes networks, optimisers and position from a checkpoint of the same run (`expectSameRun`).
   * @throws CheckpointError naming the first tensor or state that is missing or does not fit
   */
  resume(checkpoint: LoadedCheckpoint): void {
    restoreMethod(this.method, checkpoint);
    const { state } = checkpoint;
    this.position.step = state.step;
    this.position.epoch = state.epoch;
    this.position.batchIndex = state.batchIndex;
    this.best = state.best;
    this.split = { ...readRecordedSplit(state.extra, checkpoint.folder), ...this.split };
    this.savedStep = state.step;
  }

  /** Trains to the end of the configuration, or until told to stop. */
  async run(): Promise<void> {
    const { position, configuration } = this;
    const log = await RunLog.open(join(this.runFolder, 'log.jsonl'), position.step);
    try {
      const path = join(this.runFolder, 'validation.jsonl');
      const validationLog = await RunLog.open(path, position.step);
      this.validatedStep = validationLog.lastStep;
      try {
        if (this.savedStep < 0) await this.checkpoint(log);
        this.events.onStart?.(position.step);
        this.lastRead = performance.now();
        while (position.epoch < configuration.epochs && !this.isDone()) {
          const { epoch } = position;
          await this.trainEpoch(log);
          // An interrupt before its first batch leaves an epoch at 0 as well, and nothing to score.
          const isOver = position.epoch > epoch || !this.interrupted;
          if (position.batchIndex === 0 && isOver) await this.endEpoch(log, validationLog);
        }
        await this.readLosses(log);
        const isLeft = position.batchIndex !== 0 && !this.interrupted;
        // After an interrupt during the last step, its checkpoint is there and does not know of a selection yet.
        const selected = isLeft && (await this.validate(validationLog));
        if (selected || this.savedStep !== position.step) await this.checkpoint(log);
      } finally {
        validationLog.close();
      }
    } finally {
      log.close();
    }
  }

  dispose(): void {
    this.runner.dispose();
    this.stepLog.dispose();
  }

  private isDone(): boolean {
    this.interrupted ||= this.events.isInterrupted?.() ?? false;
    this.stopped ||= this.interrupted || (this.events.shouldStop?.() ?? false);
    return this.stopped || this.isAtLastStep();
  }

  private isAtLastStep(): boolean {
    const { steps } = this.configuration;
    return steps !== undefined && this.position.step >= steps;
  }

  /** Trains batches until the epoch or the run ends. */
  private async trainEpoch(log: RunLog): Promise<void> {
    const { position, configuration } = this;
    const schedule = learningRateOf(configuration);
    for await (const batch of this.loader.epoch(position.epoch, position.batchIndex)) {
      if (this.isDone()) return;
      assertFiniteBatch(batch, position.step + 1);
      const learningRate = schedule(position.epoch);
      this.recordStep(batch, learningRate);
      this.waiting.push({ epoch: position.epoch, learningRate });
      await this.gpu.flush();
      position.step++;
      position.batchIndex++;
      if (this.stepLog.isFull) await this.readLosses(log);
    }
    position.epoch++;
    position.batchIndex = 0;
  }

  private recordStep(batch: HostBatch, learningRate: number): void {
    const plannedSteps = plannedStepsOf(this.configuration, this.loader.pairCount);
    const context = { step: this.position.step, learningRate, plannedSteps };
    const losses = this.runner.step(batch, context);
    this.stepLog.append(losses);
  }

  /** Brings the losses of the last steps to the host, checks and logs them. */
  private async readLosses(log: RunLog): Promise<void> {
    if (this.stepLog.isEmpty) return;
    const rows = await this.stepLog.drain();
    const now = performance.now();
    const seconds = (now - this.lastRead) / 1000 / rows.length;
    this.lastRead = now;
    const first = this.position.step - rows.length;
    const records = rows.map((row, index): LogRecord => {
      const { epoch, learningRate } = this.waiting[index];
      const losses = Object.entries(row.losses).map(([name, value]) => [
        name,
        // JSON has no NaN; a word says what happened.
        Number.isFinite(value) ? value : String(value),
      ]);
      return {
        step: first + index + 1,
        epoch,
        lr: learningRate,
        ...(this.method.scalers?.size ? row.scalers : { scale: 1 }),
        seconds: Number(seconds.toFixed(4)),
        ...Object.fromEntries(losses),
      };
    });
    this.waiting.length = 0;
    log.append(records);
    this.events.onSteps?.(records);
    for (const [index, row] of rows.entries()) {
      const bad = nonFiniteLosses(row);
      if (bad.length) await this.reportNonFinite(first + index + 1, bad);
    }
    for (const [index, { scalers }] of rows.entries()) assertScales(scalers, first + index + 1);
  }

  /** @throws NumericalError naming the losses and parameters that are not finite */
  private async reportNonFinite(step: number, losses: readonly string[]): Promise<never> {
    const named = [...this.method.networks].flatMap(([prefix, network]) =>
      network.parameters.all().map((tensor) => ({ name: prefix + tensor.name, tensor })),
    );
    const parameters = [...(await countNonFinite(named))]
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${name} (${count})`);
    const where = parameters.length
      ? `; non-finite parameters: ${parameters.slice(0, 8).join(', ')}${parameters.length > 8 ? ` and ${parameters.length - 8} more` : ''}`
      : '; all parameters are finite';
    throw new NumericalError(
      `step ${step}: loss ${losses.join(', ')} is not finite${where}; the last checkpoint is of step ${this.savedStep}`,
    );
  }

  private async endEpoch(log: RunLog, validationLog: RunLog): Promise<void> {
    const { position, configuration } = this;
    const done = position.epoch >= configuration.epochs || this.isAtLastStep();
    const last = done || (this.isDone() && !this.interrupted);
    // Before scoring, so that a model that has gone wrong is told by its losses.
    await this.readLosses(log);
    let selected = false;
    if (last || position.epoch % configuration.validateEvery === 0) {
      selected = await this.validate(validationLog);
    }
    if (selected || (!last && position.epoch % configuration.checkpointEvery === 0)) {
      await this.checkpoint(log);
    }
  }

  /** Scores the validation pairs; returns whether this model is now the selected one. */
  private async validate(log: RunLog): Promise<boolean> {
    if (!this.validation || this.validatedStep === this.position.step) return false;
    const pausedAt = performance.now();
    const images: EvaluatedImages[] = [];
    const metrics = HOST_METRICS.filter((metric) =>
      (SELECTION_METRICS as readonly string[]).includes(metric.name),
    );
    const pairs = await evaluatePairs(this.gpu, this.method, this.validation, {
      metrics,
      perceptual: [],
      onImages: (item) => {
        if (images.length < SAMPLE_PAIRS) images.push(item);
      },
    });
    const scores = averageScores(pairs, 'enhanced');
    const { step, epoch } = this.position;
    const chosen = selectModel(this.best, scores, step);
    if (chosen) this.best = chosen;
    const selected = chosen !== undefined;
    const reference = averageScores(pairs, 'reference');
    const low = Object.entries(reference).map(([name, value]) => [`low_${name}`, value]);
    log.append([
      { step, epoch, ...scores, ...Object.fromEntries(low), selected: selected ? 1 : 0 },
    ]);
    log.sync();
    this.validatedStep = step;
    this.events.onValidation?.({
      step,
      epoch,
      scores,
      reference,
      pairs,
      selected,
      images,
    });
    this.lastRead += performance.now() - pausedAt;
    return selected;
  }

  /** Writes a checkpoint; the log reaches the disk before it, since a resumed run goes on from there. */
  private async checkpoint(log: RunLog): Promise<void> {
    await this.readLosses(log);
    log.sync();
    const pausedAt = performance.now();
    const { step } = this.position;
    const tensors = await methodTensors(this.method);
    // Losses tell of a step's beginning; what its update made of the weights shows here.
    assertFiniteTensors(tensors, step);
    const folder = await saveCheckpoint(
      this.runFolder,
      step,
      tensors,
      trainingState(
        this.gpu,
        this.method,
        this.configuration,
        this.position,
        this.best,
        this.loader.pairCount,
        this.split,
        await readScalers(this.method),
      ),
      { keep: this.configuration.keep },
    );
    this.savedStep = step;
    this.lastRead += performance.now() - pausedAt;
    this.events.onCheckpoint?.(folder);
  }
}
