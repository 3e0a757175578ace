/** A training run without files, a step at a time: for pages and workers. Browser-safe. */
import type { GrayImage } from '../data/image.ts';
import type { PairLoader } from '../data/loader.ts';
import type { PairName, PairSource } from '../data/pairs.ts';
import { UsageError } from '../errors.ts';
import { DeferredDisposal } from '../gpu/deferred-disposal.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { checkPrecision } from '../methods/check-precision.ts';
import type { Method } from '../methods/method.ts';
import { precisionOf } from '../methods/precision.ts';
import { MOST_STEPS_AT_ONCE, StepLog, type TakenStep } from '../methods/step-log.ts';
import { StepRunner } from '../methods/step-runner.ts';
import { PerceptualDistance } from '../nn/perceptual/perceptual-distance.ts';
import { serializeSafetensors } from '../nn/safetensors.ts';
import type { Schedule } from '../nn/schedules.ts';
import { architectureMetadata } from '../run/architecture-metadata.ts';
import { type CheckpointContent, checkpointFiles } from '../run/checkpoint-files.ts';
import { type EnhanceOptions, enhanceImage } from '../run/enhance-image.ts';
import { AVERAGE_FILE, ENHANCER_FILE, methodTensors, readScalers } from '../run/method-state.ts';
import { type OptionValues, optionValues } from '../run/option-values.ts';
import { type PerceptualFile, randomFeatures } from '../run/perceptual-file.ts';
import {
  expectSameSplit,
  type RecordedSplit,
  readRecordedSplit,
  recordSplit,
} from '../run/recorded-split.ts';
import { assertFiniteBatch, assertFiniteTensors } from './check-finite.ts';
import {
  learningRateOf,
  plannedStepsOf,
  type TrainConfiguration,
  trainConfiguration,
} from './configuration.ts';
import { expectSameRun } from './identity.ts';
import { chooseKernels } from './kernels.ts';
import { TRAIN_OPTIONS } from './options.ts';
import { type Position, restoreMethod, trainingState } from './run-state.ts';
import type { Best } from './selection.ts';
import { trainingLoader } from './training-loader.ts';

/** What one step of a run reports. */
export interface RunStep {
  /** Steps done, this one included. */
  readonly step: number;
  readonly epoch: number;
  readonly learningRate: number;
  /** Every loss term by name. */
  readonly losses: Readonly<Record<string, number>>;
}

export interface TrainingRunInput {
  readonly gpu: Gpu;
  readonly configuration: TrainConfiguration;
  /** Training pairs only; those held out stay with the caller. */
  readonly train: PairSource;
  /** Names of the pairs held out, for checkpoints to record, so that `src/eval` scores these. */
  readonly heldOut?: { readonly val: readonly PairName[]; readonly test: readonly PairName[] };
  /** Goes on from a checkpoint of the same run. */
  readonly checkpoint?: CheckpointContent | undefined;
  /** Told how kernels are chosen, on devices opened with `tune`. */
  readonly log?: (line: string) => void;
}

/**
 * A training configuration from options by their names on the command line of `src/train`; what is not
 * given has the same default as there.
 * @throws UsageError naming an option that is unknown, out of range or of another method
 */
export function configureTraining(options: OptionValues): TrainConfiguration {
  return trainConfiguration(optionValues(TRAIN_OPTIONS, options));
}

/**
 * Trains any method on pairs in memory exactly as `src/train` does on files: same losses from the same
 * seed, and checkpoints of the same files, which either goes on from. After `dispose` all that needs the device
 * throws a UsageError.
 */
export class TrainingRun {
  readonly configuration: TrainConfiguration;
  private readonly gpu: Gpu;
  private readonly method: Method;
  private readonly runner: StepRunner;
  private split: RecordedSplit;
  private readonly stepLog: StepLog;
  private readonly perceptual: PerceptualDistance | undefined;
  private readonly loader: PairLoader;
  private readonly schedule: Schedule;
  private readonly position: Position = { step: 0, epoch: 0, batchIndex: 0 };
  private readonly disposal = new DeferredDisposal('run', () => this.release());
  private best: Best = {};

  private constructor(
    { gpu, configuration, train, heldOut }: TrainingRunInput,
    perceptual: PerceptualFile | undefined,
  ) {
    this.gpu = gpu;
    this.configuration = configuration;
    this.split = recordSplit({ ...heldOut, train: train.pairs });
    this.schedule = learningRateOf(configuration);
    this.loader = trainingLoader(train, configuration);
    this.perceptual =
      perceptual && new PerceptualDistance(gpu, perceptual.name, perceptual.weights);
    this.method = configuration.method.create(gpu, this.perceptual);
    this.runner = new StepRunner(gpu, this.method);
    this.stepLog = new StepLog(gpu, this.method, MOST_STEPS_AT_ONCE);
  }

  /**
   * Makes the networks of a run, or takes them from a checkpoint.
   * @throws DataError if there is no pair; CheckpointError if the checkpoint is of another run;
   *   UsageError for a perceptual loss whose weights only files have; GpuError if memory or f16 is refused
   */
  static async open(input: TrainingRunInput): Promise<TrainingRun> {
    const { gpu, configuration, checkpoint, train, log = () => undefined } = input;
    if (checkpoint) {
      const { folder, state } = checkpoint;
      const split = recordSplit({ ...input.heldOut, train: train.pairs });
      expectSameRun(checkpoint, configuration, train.pairs.length);
      expectSameSplit(readRecordedSplit(state.extra, folder), split, folder);
    }
    const perceptual = perceptualOf(configuration.perceptual);
    await checkPrecision(gpu, precisionOf(configuration.method));
    await chooseKernels(gpu, configuration, perceptual, checkpoint, log);
    const run = new TrainingRun(input, perceptual);
    try {
      // Making a method may record commands, which must be done before a checkpoint's tensors are written.
      await gpu.flush();
      if (checkpoint) run.restore(checkpoint);
    } catch (error) {
      run.dispose();
      throw error;
    }
    return run;
  }

  private restore(checkpoint: CheckpointContent): void {
    restoreMethod(this.method, checkpoint);
    const { step, epoch, batchIndex, best } = checkpoint.state;
    Object.assign(this.position, { step, epoch, batchIndex });
    this.best = best;
    const recorded = readRecordedSplit(checkpoint.state.extra, checkpoint.folder);
    this.split = { ...recorded, ...this.split };
  }

  /** Steps done so far. */
  get step(): number {
    return this.position.step;
  }

  /** Number of training pairs. */
  get pairs(): number {
    return this.loader.pairCount;
  }

  /** Whether all steps or epochs of the configuration are done. */
  get isDone(): boolean {
    const { epochs, steps } = this.configuration;
    return this.position.epoch >= epochs || (steps !== undefined && this.step >= steps);
  }

  /** Parameters of every network by name (`G_H`, `D_H`, …). */
  parameterCounts(): Record<string, number> {
    return Object.fromEntries(
      [...this.method.networks].map(([prefix, { parameters }]) => [
        prefix.replace('.', ''),
        parameters.count,
      ]),
    );
  }

  /**
   * Trains on the next batch and reads its losses back.
   * @throws NumericalError naming images or losses that are not finite; GpuError after a device loss
   */
  async trainStep(): Promise<RunStep> {
    return (await this.trainSteps(1))[0];
  }

  /**
   * Trains on the next batches, fewer if the run ends, and reads their losses back together: browsers take
   * milliseconds to answer, Firefox a tenth of a second, in which a GPU can take many steps.
   * @param count 1 to 64
   * @throws NumericalError as `trainStep`, of the first step that has them; UsageError for another count
   */
  trainSteps(count: number): Promise<RunStep[]> {
    let taken = 0;
    return this.disposal.use(() =>
      this.stepLog.gather(count, async () =>
        taken++ > 0 && this.isDone ? undefined : this.takeStep(),
      ),
    );
  }

  private async takeStep(): Promise<TakenStep<Omit<RunStep, 'losses'>>> {
    const { position } = this;
    const { epoch } = position;
    const batch = await this.loader.batch(epoch, position.batchIndex);
    assertFiniteBatch(batch, position.step + 1);
    const learningRate = this.schedule(epoch);
    const plannedSteps = plannedStepsOf(this.configuration, this.loader.pairCount);
    const context = { step: position.step, learningRate, plannedSteps };
    const losses = this.runner.step(batch, context);
    position.step++;
    position.batchIndex++;
    if (position.batchIndex === this.loader.batchesPerEpoch) {
      position.epoch++;
      position.batchIndex = 0;
    }
    return { losses, about: { step: position.step, epoch, learningRate } };
  }

  /** Lifts one image with the generator as it is now. */
  enhance(image: GrayImage, options: EnhanceOptions = {}): Promise<GrayImage> {
    return this.disposal.use(() => enhanceImage(this.gpu, this.method, image, options));
  }

  /**
   * The run as the files of a checkpoint folder, by name.
   * @throws NumericalError naming weights that are not finite
   */
  checkpoint(): Promise<Map<string, Uint8Array>> {
    return this.disposal.use(() => this.readCheckpoint());
  }

  private async readCheckpoint(): Promise<Map<string, Uint8Array>> {
    const tensors = await methodTensors(this.method);
    assertFiniteTensors(tensors, this.step);
    const { gpu, method, configuration, position, best, loader } = this;
    const state = trainingState(
      gpu,
      method,
      configuration,
      position,
      best,
      loader.pairCount,
      this.split,
      await readScalers(method),
    );
    const files = new Map<string, Uint8Array>();
    for await (const [name, bytes] of checkpointFiles(tensors, state)) files.set(name, bytes);
    return files;
  }

  /**
   * The generator as it is now, or its exponential average if the run keeps one, as the bytes of a
   * `G_H.safetensors` that `loadGenerator` reads.
   */
  async exportGenerator(): Promise<Uint8Array> {
    const files = await this.disposal.use(() => methodTensors(this.method));
    return serializeSafetensors(
      files[AVERAGE_FILE] ?? files[ENHANCER_FILE],
      architectureMetadata(this.configuration.method.architecture),
    );
  }

  /** Gives the device's memory back, once the calls under way are done. */
  dispose(): void {
    this.disposal.dispose();
  }

  private release(): void {
    this.runner.dispose();
    this.stepLog.dispose();
    this.method.dispose();
    this.perceptual?.dispose();
  }
}

function perceptualOf(name: string): PerceptualFile | undefined {
  if (name === 'none') return undefined;
  if (name === 'random-features') return randomFeatures();
  throw new UsageError(
    `perceptual ${name}: its trained weights are read from files; use random-features or none here`,
  );
}
