import type { RandomStream } from '../autograd/philox.ts';
import type { Tensor } from '../autograd/tensor.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Adam } from '../nn/adam.ts';
import type { ImagePool } from '../nn/image-pool.ts';
import { INITIALISERS, type InitialiserName } from '../nn/initialisers.ts';
import type { LossScaler } from '../nn/loss-scaler.ts';
import type { Network } from '../nn/network.ts';
import { PatchGan } from '../nn/patchgan-basic.ts';
import { ResNet } from '../nn/resnet.ts';
import { UPSAMPLES, type Upsample } from '../nn/upsample.ts';
import {
  beginCycle,
  CYCLE_LOSS_NAMES,
  type CycleNetworks,
  CyclePools,
  cycleDiscriminatorLoss,
  cycleGeneratorLoss,
} from './cycle.ts';
import { enhanceWith } from './enhancing.ts';
import { GAN_MODES, type GanMode, ganLoss } from './gan-loss.ts';
import { resnetPlan } from './generator-plans.ts';
import {
  type Batch,
  learningRateOf,
  type Method,
  type StepContext,
  trainingPasses,
} from './method.ts';
import { methodKind, PAPER_TRAINING, PIX2PIX_TRAINING } from './method-kind.ts';
import { Assembly, disposeParts } from './parts.ts';
import { PRECISIONS, type Precision } from './precision.ts';

export interface CycleGanOptions {
  readonly ngf: number;
  readonly ndf: number;
  /** Residual blocks of a generator. */
  readonly blocks: number;
  /** How the generators double their maps' sides. */
  readonly upsample: Upsample;
  readonly initialiser: InitialiserName;
  readonly ganMode: GanMode;
  /** Earlier fakes kept for each discriminator; 0 for none. */
  readonly poolSize: number;
  readonly lambdaCycle: number;
  /** Weight of |G_H(H) - H| + |G_L(L) - L|: half of λ_cycle upstream. 0 leaves the term out. */
  readonly lambdaIdentity: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly seed: number;
  /** How activations of the networks are stored. */
  readonly precision: Precision;
}

/**
 * CycleGAN (Zhu et al. 2017): two ResNets (G_H lifts low to high, G_L the way back), two PatchGANs
 * with instance norm, no paired term. Generators first, the discriminators frozen:
 *
 *     GAN(D_H(H'),1) + GAN(D_L(L'),1) + λ_cycle [|H-H̄| + |L-L̄|] + λ_identity [|G_H(H)-H| + |G_L(L)-L|]
 *
 * with H' = G_H(L), L' = G_L(H), H̄ = G_H(L'), L̄ = G_L(H'). Then the discriminators, on fakes from a
 * pool of earlier ones: Σ over domains of ½ [GAN(D(real),1) + GAN(D(pool(fake)),0)].
 * Steps and weights after pytorch-CycleGAN-and-pix2pix, `models/cycle_gan_model.py`.
 */
export class CycleGanMethod implements Method {
  readonly name = 'cyclegan';
  readonly isReplayable = true;
  readonly lossNames = CYCLE_LOSS_NAMES;
  readonly options: CycleGanOptions;
  readonly networks: ReadonlyMap<string, Network>;
  readonly optimisers: ReadonlyMap<string, Adam>;
  readonly scalers: ReadonlyMap<string, LossScaler>;
  readonly pools: ReadonlyMap<string, ImagePool>;
  private readonly parts: Assembly<CycleNetworks<ResNet, PatchGan>>;
  private readonly fakePools: CyclePools;

  /** @throws UsageError if an option is out of range */
  constructor(gpu: Gpu, options: CycleGanOptions) {
    this.options = options;
    const generator = (random: RandomStream): ResNet =>
      new ResNet(gpu, { ...options, inChannels: 1, outChannels: 1 }, random);
    const discriminator = (random: RandomStream): PatchGan =>
      new PatchGan(gpu, { ...options, inChannels: 1, norm: 'instance' }, random);
    this.parts = new Assembly(gpu, options, {
      ...{ G_H: generator, G_L: generator },
      ...{ D_H: discriminator, D_L: discriminator },
    });
    this.networks = this.parts.networks;
    this.optimisers = this.parts.optimisers;
    this.scalers = this.parts.scalers;
    this.fakePools = new CyclePools(gpu, options);
    this.pools = this.fakePools.byDomain;
  }

  get sizeMultiple(): number {
    return this.parts.byName.G_H.sizeMultiple;
  }

  trainStep(batch: Batch, context: StepContext): Tensor[] {
    const { seed, ganMode, precision } = this.options;
    const pass = trainingPasses(seed, context.step, precision)(0);
    const step = beginCycle(this.parts.byName, batch, pass);
    const isReal = (logits: Tensor): Tensor => ganLoss(ganMode, logits, 1);
    const isFake = (logits: Tensor): Tensor => ganLoss(ganMode, logits, 0);

    const generators = cycleGeneratorLoss(step, this.options, isReal);
    this.parts.update('G', generators.total, learningRateOf(context));

    const shown = this.fakePools.exchange(step.fakes, context.step);
    const discriminators = cycleDiscriminatorLoss(step, shown, isReal, isFake);
    this.parts.update('D', discriminators.total, learningRateOf(context));

    return [
      ...[generators.total, ...generators.terms],
      ...[discriminators.total, ...discriminators.terms],
    ];
  }

  enhance(low: Tensor): Tensor {
    return enhanceWith(this.parts.byName.G_H, low);
  }

  dispose(): void {
    disposeParts(this);
  }
}

export const CYCLEGAN = methodKind<CycleGanOptions>({
  name: 'cyclegan',
  defaults: (protocol) => ({
    ...(protocol === 'paper' ? PAPER_TRAINING : PIX2PIX_TRAINING),
    pairing: protocol === 'paper' ? 'aligned' : 'unaligned',
    ngf: 64,
    ndf: 64,
    blocks: 9,
    upsample: 'transposed',
    'gan-mode': 'lsgan',
    'pool-size': 50,
    'lambda-cycle': 10,
    'lambda-identity': 5,
    precision: 'f32',
  }),
  read: (options) => ({
    ngf: options.number('ngf'),
    ndf: options.number('ndf'),
    blocks: options.number('blocks'),
    upsample: options.choice('upsample', UPSAMPLES),
    initialiser: options.choice('init', INITIALISERS),
    ganMode: options.choice('gan-mode', GAN_MODES),
    poolSize: options.number('pool-size'),
    lambdaCycle: options.number('lambda-cycle'),
    lambdaIdentity: options.number('lambda-identity'),
    beta1: options.number('beta1'),
    beta2: options.number('beta2'),
    seed: options.number('seed'),
    precision: options.choice('precision', PRECISIONS),
  }),
  sizeMultiple: () => ResNet.SIZE_MULTIPLE,
  architecture: ({ ngf, ndf, blocks, upsample }) => ({
    method: 'cyclegan',
    channels: 1,
    ngf,
    ndf,
    blocks,
    upsample,
  }),
  create: (gpu, options) => new CycleGanMethod(gpu, options),
  generator: resnetPlan,
});
