import type { ElementType } from '../../kernels/element-types.ts';
import type { Tensor } from '../autograd/tensor.ts';
import type { Adam, LearningRate } from '../nn/adam.ts';
import type { ImagePool } from '../nn/image-pool.ts';
import type { LossScaler } from '../nn/loss-scaler.ts';
import type { ForwardContext, Network } from '../nn/network.ts';

/** A batch on the device: `[N,1,H,W]` in [-1,1]. */
export interface Batch {
  readonly low: Tensor;
  readonly high: Tensor;
  /** The low images' values, for what is made of them on the host (superpixels). */
  readonly hostLow?: Float32Array;
}

/** What a training step needs besides its batch. */
export interface StepContext {
  /** Counts from 0 over the whole run; keys all random draws of the step. */
  readonly step: number;
  readonly learningRate: number;
  /** Steps of the whole run, as far as it is planned. */
  readonly plannedSteps?: number;
}

/** A learning rate that follows the step's, of repeated steps too. */
export function learningRateOf(context: StepContext, factor = 1): LearningRate {
  return (moment = context) => factor * moment.learningRate;
}

/** A network from images to images of the same size. */
export interface Generator extends Network {
  /** Sides of an image must be multiples of this. */
  readonly sizeMultiple: number;
  /** @param x `[N,C,H,W]` in [-1,1] */
  forward(x: Tensor, context: ForwardContext): Tensor;
}

/** Prefix of the network that lifts low to high quality: every method's, so that any can enhance. */
export const ENHANCER_PREFIX = 'G_H.';

/** Prefix of the exponential average of that network, where a run keeps one. */
export const AVERAGE_PREFIX = 'G_H_ema.';

/** What lifts images from low to high quality. */
export interface Enhancer {
  /** Sides of an image must be multiples of this. */
  readonly sizeMultiple: number;

  /** Records lifting `[N,1,H,W]` in [-1,1] from low to high quality, in evaluation mode. */
  enhance(low: Tensor): Tensor;

  dispose(): void;
}

/** What identifies an architecture in a checkpoint: the method and whatever shapes its tensors. */
export interface MethodArchitecture {
  readonly method: string;
  readonly [option: string]: string | number | boolean;
}

/** One system of the paper's Table 2: its networks, its training step, and what it logs and saves. */
export interface Method extends Enhancer {
  readonly name: string;
  /** By state-dict prefix: `G_H.`, `G_L.`, `D_H.`, `D_L.`, … */
  readonly networks: ReadonlyMap<string, Network>;
  /** By name: `G`, `D`. */
  readonly optimisers: ReadonlyMap<string, Adam>;
  /**
   * Loss scales by whom they serve, `G` (generators and what learns with them) and `D`: where activations
   * are stored as f16.
   */
  readonly scalers?: ReadonlyMap<string, LossScaler>;
  /** Earlier fakes that later steps look at, by domain; part of a checkpoint. */
  readonly pools: ReadonlyMap<string, ImagePool>;
  /** Names of the scalars that `trainStep` returns, in order. */
  readonly lossNames: readonly string[];

  /**
   * Whether two steps differ in nothing but their images and what goes through `Gpu.eachTime` and
   * `Gpu.uploadEachTime`, what the host makes of the images included: then a step that was recorded may be
   * repeated (`StepRunner`).
   */
  readonly isReplayable?: boolean;

  /** Records one training step; returns one scalar tensor per loss name. Call within a scope. */
  trainStep(batch: Batch, context: StepContext): Tensor[];
}

/** The context of the training passes of one step, by number of the pass. */
export function trainingPasses(
  seed: number,
  step: number,
  precision: ElementType = 'f32',
): (pass: number) => ForwardContext {
  return (pass) => ({ training: true, seed, step, pass, precision });
}
