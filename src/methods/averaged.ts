import type { Tensor } from '../autograd/tensor.ts';
import { UsageError } from '../errors.ts';
import type { Adam } from '../nn/adam.ts';
import { averageInto, copyNetwork, warmedDecay } from '../nn/exponential-average.ts';
import type { ImagePool } from '../nn/image-pool.ts';
import type { LossScaler } from '../nn/loss-scaler.ts';
import type { Network } from '../nn/network.ts';
import { disposeNetwork, enhanceWith } from './enhancing.ts';
import {
  AVERAGE_PREFIX,
  type Batch,
  ENHANCER_PREFIX,
  type Generator,
  type Method,
  type StepContext,
} from './method.ts';
import type { ConfiguredMethod } from './method-kind.ts';

/**
 * A method whose enhancing generator is followed by an exponential average of its weights, which takes
 * its place in scoring and enhancing (Yazıcı et al. 2019, "The Unusual Effectiveness of Averaging in GAN
 * Training"). Training itself does not see the average. It is a network of its own in checkpoints.
 */
export class AveragedMethod implements Method {
  readonly name: string;
  readonly lossNames: readonly string[];
  readonly networks: ReadonlyMap<string, Network>;
  readonly optimisers: ReadonlyMap<string, Adam>;
  readonly scalers: ReadonlyMap<string, LossScaler>;
  readonly pools: ReadonlyMap<string, ImagePool>;
  readonly sizeMultiple: number;
  readonly isReplayable: boolean;
  private readonly method: Method;
  private readonly decay: number;
  private readonly generator: Network;
  private readonly average: Generator;

  /**
   * @param average a network like the method's enhancing generator; becomes the method's
   * @param decay in (0, 1); shorter over the first steps (`warmedDecay`)
   * @throws UsageError for other decays
   */
  constructor(method: Method, average: Generator, decay: number) {
    if (!(decay > 0 && decay < 1)) {
      throw new UsageError(`exponential average: expected a decay between 0 and 1, found ${decay}`);
    }
    const generator = method.networks.get(ENHANCER_PREFIX);
    if (!generator) throw new UsageError(`${method.name} has no network ${ENHANCER_PREFIX}`);
    this.method = method;
    this.decay = decay;
    this.generator = generator;
    this.average = average;
    this.name = method.name;
    this.lossNames = method.lossNames;
    this.networks = new Map([...method.networks, [AVERAGE_PREFIX, average]]);
    this.optimisers = method.optimisers;
    this.scalers = method.scalers ?? new Map();
    this.pools = method.pools;
    this.sizeMultiple = method.sizeMultiple;
    this.isReplayable = method.isReplayable ?? false;
    average.parameters.freeze();
    copyNetwork(average, generator);
  }

  trainStep(batch: Batch, context: StepContext): Tensor[] {
    const losses = this.method.trainStep(batch, context);
    averageInto(this.average, this.generator, (moment) =>
      warmedDecay(this.decay, moment?.step ?? context.step),
    );
    return losses;
  }

  enhance(low: Tensor): Tensor {
    return enhanceWith(this.average, low);
  }

  dispose(): void {
    this.method.dispose();
    disposeNetwork(this.average);
  }
}

/** A method with an average of its enhancing generator; as it is for a decay of 0. */
export function withAverage(method: ConfiguredMethod, decay: number): ConfiguredMethod {
  if (decay === 0) return method;
  return {
    ...method,
    create: (gpu, perceptual) =>
      new AveragedMethod(method.create(gpu, perceptual), method.generator.make(gpu), decay),
  };
}
