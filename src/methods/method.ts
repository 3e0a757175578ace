import type { Tensor } from '../autograd/tensor.ts';
import type { Adam } from '../nn/adam.ts';
import type { Network } from '../nn/network.ts';

/** A batch on the device: `[N,1,H,W]` in [-1,1]. */
export interface Batch {
  readonly low: Tensor;
  readonly high: Tensor;
}

/** What a training step needs besides its batch. */
export interface StepContext {
  /** Counts from 0 over the whole run; keys all random draws of the step. */
  readonly step: number;
  readonly learningRate: number;
}

/** One system of the paper's Table 2: its networks, its training step, and what it logs and saves. */
export interface Method {
  readonly name: string;
  /** By state-dict prefix: `G_H.`, `G_L.`, `D_H.`, `D_L.`. */
  readonly networks: ReadonlyMap<string, Network>;
  /** By name: `G`, `D`. */
  readonly optimisers: ReadonlyMap<string, Adam>;
  /** Names of the scalars that `trainStep` returns, in order. */
  readonly lossNames: readonly string[];
  /** Sides of an image must be multiples of this. */
  readonly sizeMultiple: number;
  /** What identifies the architecture in a checkpoint. */
  readonly architecture: Readonly<Record<string, string | number | boolean>>;

  /** Records one training step; returns one scalar tensor per loss name. Call within a scope. */
  trainStep(batch: Batch, context: StepContext): Tensor[];

  /** Records lifting `[N,1,H,W]` in [-1,1] from low to high quality, in evaluation mode. */
  enhance(low: Tensor): Tensor;

  dispose(): void;
}
