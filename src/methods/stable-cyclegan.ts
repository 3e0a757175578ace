import { mseToScalar } from '../autograd/ops/losses.ts';
import type { RandomStream } from '../autograd/philox.ts';
import type { Tensor } from '../autograd/tensor.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Adam } from '../nn/adam.ts';
import type { ImagePool } from '../nn/image-pool.ts';
import { INITIALISERS, type InitialiserName } from '../nn/initialisers.ts';
import type { LossScaler } from '../nn/loss-scaler.ts';
import type { Network } from '../nn/network.ts';
import { SpectralPatchGan } from '../nn/patchgan.ts';
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
import { SKIP_RESNET, stableCycleGanPlan } from './generator-plans.ts';
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

export interface StableCycleGanOptions {
  readonly ngf: number;
  readonly ndf: number;
  /** Residual blocks of a generator. */
  readonly blocks: number;
  /** How the generators double their maps' sides. */
  readonly upsample: Upsample;
  readonly spectralLayers: 4 | 5;
  readonly initialiser: InitialiserName;
  /** Earlier fakes kept for each discriminator; 0 for none. */
  readonly poolSize: number;
  /** What a discriminator is to say to real images: below 1, so that it does not grow too sure. */
  readonly realLabel: number;
  /** The discriminators' learning rate in multiples of the generators'. */
  readonly learningRateRatio: number;
  readonly lambdaCycle: number;
  /** Weight of |G_H(H) - H| + |G_L(L) - L|; 0 leaves the term out. */
  readonly lambdaIdentity: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly seed: number;
  /** How activations of the networks are stored. */
  readonly precision: Precision;
}

/**
 * Stable CycleGAN, reconstructed. Of the publication (Huang et al. 2022, 10.1016/j.bspc.2022.103831) only
 * the ingredients are known: a CycleGAN on unpaired ultrasound with spectral norm, two time scales, label
 * smoothing and skip connections. Here they are:
 *
 * - skips: generators are ResNets that see the encoder's maps in their decoders, enlarge instead of using
 *   transposed convolutions, and reflect at every border, after the challenge code of the proposed
 *   method's authors (CDX-USChallenge `GnD.py`), which combines the same ingredients;
 * - spectral norm: the discriminators of the proposed method, 1-Lipschitz but for their last layer;
 * - two time scales (Heusel et al. 2017): the discriminators learn `learningRateRatio` times as fast;
 * - smoothing: they are to call real images 0.9; fakes stay 0, and 1 what generators aim at.
 *
 * Generators first: MSE(D_H(H'),1) + MSE(D_L(L'),1) + λ_cycle [|H-H̄| + |L-L̄|] +
 * λ_identity [|G_H(H)-H| + |G_L(L)-L|], with H' = G_H(L), L' = G_L(H), H̄ = G_H(L'), L̄ = G_L(H'). Then the
 * discriminators, on fakes from pools: Σ over domains of ½ [MSE(D(real),0.9) + MSE(D(pool(fake)),0)].
 * Nothing is paired. What the publication leaves open besides is as in CycleGAN.
 */
export class StableCycleGanMethod implements Method {
  readonly name = 'stable-cyclegan';
  readonly isReplayable = true;
  readonly lossNames = CYCLE_LOSS_NAMES;
  readonly options: StableCycleGanOptions;
  readonly networks: ReadonlyMap<string, Network>;
  readonly optimisers: ReadonlyMap<string, Adam>;
  readonly scalers: ReadonlyMap<string, LossScaler>;
  readonly pools: ReadonlyMap<string, ImagePool>;
  private readonly parts: Assembly<CycleNetworks<ResNet, SpectralPatchGan>>;
  private readonly fakePools: CyclePools;

  /** @throws UsageError if an option is out of range */
  constructor(gpu: Gpu, options: StableCycleGanOptions) {
    this.options = options;
    const generator = (random: RandomStream): ResNet =>
      new ResNet(gpu, { ...options, ...SKIP_RESNET, inChannels: 1, outChannels: 1 }, random);
    const discriminator = (random: RandomStream): SpectralPatchGan =>
      new SpectralPatchGan(gpu, { ...options, inChannels: 1 }, random);
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
    const { seed, realLabel, learningRateRatio, precision } = this.options;
    const pass = trainingPasses(seed, context.step, precision)(0);
    const step = beginCycle(this.parts.byName, batch, pass);
    const towards = (target: number) => (logits: Tensor) => mseToScalar(logits, target);

    const generators = cycleGeneratorLoss(step, this.options, towards(1));
    this.parts.update('G', generators.total, learningRateOf(context));

    const shown = this.fakePools.exchange(step.fakes, context.step);
    const discriminators = cycleDiscriminatorLoss(step, shown, towards(realLabel), towards(0));
    this.parts.update('D', discriminators.total, learningRateOf(context, learningRateRatio));

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

export const STABLE_CYCLEGAN = methodKind<StableCycleGanOptions>({
  name: 'stable-cyclegan',
  label: 'stable-cyclegan (reconstructed)',
  defaults: (protocol) => ({
    // The paper's protocol is one optimiser for all, at one rate for generators and discriminators.
    ...(protocol === 'paper'
      ? { ...PAPER_TRAINING, pairing: 'aligned', 'lr-ratio': 1 }
      : { ...PIX2PIX_TRAINING, lr: 1e-4, pairing: 'unaligned', 'lr-ratio': 4 }),
    ngf: 64,
    ndf: 64,
    blocks: 9,
    upsample: 'resize',
    'spectral-layers': '4',
    'pool-size': 50,
    'real-label': 0.9,
    'lambda-cycle': 10,
    'lambda-identity': 5,
    precision: 'f32',
  }),
  read: (options) => ({
    ngf: options.number('ngf'),
    ndf: options.number('ndf'),
    blocks: options.number('blocks'),
    upsample: options.choice('upsample', UPSAMPLES),
    spectralLayers: options.choice('spectral-layers', ['4', '5']) === '5' ? 5 : 4,
    initialiser: options.choice('init', INITIALISERS),
    poolSize: options.number('pool-size'),
    realLabel: options.number('real-label'),
    learningRateRatio: options.number('lr-ratio'),
    lambdaCycle: options.number('lambda-cycle'),
    lambdaIdentity: options.number('lambda-identity'),
    beta1: options.number('beta1'),
    beta2: options.number('beta2'),
    seed: options.number('seed'),
    precision: options.choice('precision', PRECISIONS),
  }),
  sizeMultiple: () => ResNet.SIZE_MULTIPLE,
  architecture: ({ ngf, ndf, blocks, upsample, spectralLayers }) => ({
    method: 'stable-cyclegan',
    channels: 1,
    ngf,
    ndf,
    blocks,
    upsample,
    spectralLayers,
  }),
  create: (gpu, options) => new StableCycleGanMethod(gpu, options),
  generator: stableCycleGanPlan,
});
