/** Training on pairs in memory, without files: for pages, workers and notebooks. */
import { tensorFrom } from '../autograd/tensor.ts';
import { tuneConvolutions } from '../autograd/tuning/tune.ts';
import type { FitMode } from '../data/fit.ts';
import type { GrayImage } from '../data/image.ts';
import { PairLoader } from '../data/loader.ts';
import type { PairSource } from '../data/pairs.ts';
import { DeferredDisposal } from '../gpu/deferred-disposal.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { architectureReader } from '../methods/architecture-reader.ts';
import { AveragedMethod } from '../methods/averaged.ts';
import { proposedPlan } from '../methods/generator-plans.ts';
import type { Method, MethodArchitecture } from '../methods/method.ts';
import {
  PROPOSED_DEFAULTS,
  ProposedMethod,
  type ProposedOptions,
  proposedArchitecture,
} from '../methods/proposed.ts';
import { MOST_STEPS_AT_ONCE, StepLog, type TakenStep } from '../methods/step-log.ts';
import { StepRunner } from '../methods/step-runner.ts';
import { PerceptualDistance } from '../nn/perceptual/perceptual-distance.ts';
import { randomFeatureWeights, uniformLayerWeights } from '../nn/perceptual/random-features.ts';
import { serializeSafetensors } from '../nn/safetensors.ts';
import { architectureMetadata } from '../run/architecture-metadata.ts';
import { type EnhanceOptions, enhanceImage } from '../run/enhance-image.ts';
import { AVERAGE_FILE, ENHANCER_FILE, methodTensors } from '../run/method-state.ts';
import { grayFrom, type ImageInput } from './image-input.ts';

/** A pair of images of the same view and size. */
export interface TrainingPair {
  readonly low: ImageInput;
  readonly high: ImageInput;
}

export interface PairTrainerOptions {
  /** Side of the square images trained on, a multiple of 2^levels. */
  readonly size: number;
  /** Images a step; default 4. */
  readonly batch?: number;
  /** Default 3e-4, the paper's. Set anew at any time: `trainer.learningRate`. */
  readonly learningRate?: number;
  /** `crop` (default) cuts out squares at random, `resize` scales. */
  readonly fit?: FitMode;
  /** Mirror pairs at random; default false. */
  readonly flip?: boolean;
  /** Φ of the loss: default seeded untrained features; `none` leaves the term out. */
  readonly perceptual?: PerceptualDistance | 'random-features' | 'none';
  /** Options of the proposed method that differ from the paper's, for example `{ ngf: 16, levels: 6 }`. */
  readonly method?: Partial<ProposedOptions>;
  /**
   * Decay of an exponential average of the generator's weights, which then is what `enhance` and
   * `exportGenerator` take; default 0 for none.
   */
  readonly ema?: number;
  /** Seed of weights, order, crops and dropout; default 0. */
  readonly seed?: number;
}

/** What one training step reports. */
export interface TrainedStep {
  /** Steps done, this one included. */
  readonly step: number;
  readonly epoch: number;
  /** Every loss term by name; `G` and `D` are the totals. */
  readonly losses: Readonly<Record<string, number>>;
}

/**
 * Trains the paper's proposed method on pairs in memory, a step at a time. After `dispose` all that needs the
 * device throws a UsageError.
 */
export class PairTrainer {
  /** Used by the next step. */
  learningRate: number;
  private readonly gpu: Gpu;
  readonly architecture: MethodArchitecture;
  private readonly method: Method;
  private readonly runner: StepRunner;
  private readonly stepLog: StepLog;
  private readonly loader: PairLoader;
  /** The distance made here, not the caller's. */
  private readonly ownDistance: PerceptualDistance | undefined;
  private readonly disposal = new DeferredDisposal('trainer', () => this.release());
  private steps = 0;
  private readonly options: PairTrainerOptions;

  /**
   * @throws DataError if there is no pair or an image cannot be read; UsageError if an option is out
   *   of range
   */
  constructor(gpu: Gpu, pairs: readonly TrainingPair[], options: PairTrainerOptions) {
    const { size, batch = 4, fit = 'crop', flip = false, seed = 0 } = options;
    this.gpu = gpu;
    this.options = options;
    this.learningRate = options.learningRate ?? 3e-4;
    this.loader = new PairLoader(sourceOf(pairs), {
      size,
      batch,
      fit,
      flip,
      seed,
      crops: 'random',
      shuffle: true,
    });
    const { perceptual = 'random-features' } = options;
    if (perceptual === 'random-features') this.ownDistance = randomDistance(gpu);
    const method = methodFor(
      gpu,
      options,
      typeof perceptual === 'string' ? this.ownDistance : perceptual,
    );
    this.architecture = proposedArchitecture(method.options);
    const { ema = 0 } = options;
    const plan = proposedPlan(architectureReader(this.architecture, 'PairTrainer'));
    this.method = ema === 0 ? method : new AveragedMethod(method, plan.make(gpu), ema);
    this.runner = new StepRunner(gpu, this.method);
    this.stepLog = new StepLog(gpu, this.method, MOST_STEPS_AT_ONCE);
  }

  /** Steps done so far. */
  get step(): number {
    return this.steps;
  }

  /**
   * Trains on the next batch and reads its losses back.
   * @throws NumericalError naming losses that are not finite; GpuError after a device loss
   */
  async trainStep(): Promise<TrainedStep> {
    return (await this.trainSteps(1))[0];
  }

  /**
   * Trains on the next batches and reads their losses back together: browsers take milliseconds to answer, Firefox a
   * tenth of a second, in which a GPU can take many steps.
   * @param count 1 to 64
   * @throws NumericalError as `trainStep`, of the first step that has them; UsageError for another count
   */
  trainSteps(count: number): Promise<TrainedStep[]> {
    return this.disposal.use(async () => {
      if (this.steps === 0) await this.tune();
      return this.stepLog.gather(count, () => this.takeStep());
    });
  }

  private async takeStep(): Promise<TakenStep<Omit<TrainedStep, 'losses'>>> {
    const perEpoch = this.loader.batchesPerEpoch;
    const epoch = Math.floor(this.steps / perEpoch);
    const batch = await this.loader.batch(epoch, this.steps % perEpoch);
    const context = { step: this.steps, learningRate: this.learningRate };
    const losses = this.runner.step(batch, context);
    this.steps++;
    return { losses, about: { step: this.steps, epoch } };
  }

  /** If the device was opened with `tune`. A distance that was handed in cannot be surveyed: its kernels stay. */
  private async tune(): Promise<void> {
    const { size, batch = 4, perceptual = 'random-features' } = this.options;
    const record = (blank: Gpu): void => {
      const isOwn = perceptual === 'random-features';
      const method = methodFor(
        blank,
        isOwn ? this.options : { ...this.options, perceptual: 'none' },
        isOwn ? randomDistance(blank) : undefined,
      );
      const images = new Float32Array(batch * size * size);
      blank.scope(() => {
        const low = tensorFrom(blank, images, [batch, 1, size, size]);
        const high = tensorFrom(blank, images, [batch, 1, size, size]);
        method.trainStep({ low, high }, { step: 0, learningRate: 0 });
      });
    };
    const log = (line: string): void => console.info(`sonolift: ${line}`);
    await tuneConvolutions(this.gpu, record, { log });
  }

  /** Lifts one image with the generator as it is now. */
  enhance(image: ImageInput, options: EnhanceOptions = {}): Promise<GrayImage> {
    return this.disposal.use(async () =>
      enhanceImage(this.gpu, this.method, grayFrom(image), options),
    );
  }

  /** The generator as it is now, as the bytes of a `G_H.safetensors` that `loadGenerator` reads. */
  async exportGenerator(): Promise<Uint8Array> {
    const files = await this.disposal.use(() => methodTensors(this.method));
    const tensors = files[AVERAGE_FILE] ?? files[ENHANCER_FILE];
    return serializeSafetensors(tensors, architectureMetadata(this.architecture));
  }

  /** Gives the device's memory back, once the calls under way are done; a distance that was handed in stays. */
  dispose(): void {
    this.disposal.dispose();
  }

  private release(): void {
    this.runner.dispose();
    this.stepLog.dispose();
    this.method.dispose();
    this.ownDistance?.dispose();
  }
}

function randomDistance(gpu: Gpu): PerceptualDistance {
  const weights = { trunk: randomFeatureWeights(), linear: uniformLayerWeights() };
  return new PerceptualDistance(gpu, 'random-features', weights);
}

function methodFor(
  gpu: Gpu,
  { perceptual, method, seed = 0 }: PairTrainerOptions,
  distance: PerceptualDistance | undefined,
): ProposedMethod {
  const options: ProposedOptions = {
    ...PROPOSED_DEFAULTS,
    ...(perceptual === 'none' && { lambdaPerceptual: 0 }),
    ...method,
    seed,
  };
  return new ProposedMethod(gpu, options, distance);
}

function sourceOf(pairs: readonly TrainingPair[]): PairSource {
  return {
    pairs: pairs.map((_, index) => ({ organ: 'memory', name: String(index + 1) })),
    load: async (index) => ({ low: grayFrom(pairs[index].low), high: grayFrom(pairs[index].high) }),
  };
}
