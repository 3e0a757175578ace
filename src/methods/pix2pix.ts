import { concat } from '../autograd/ops/concat.ts';
import { l1Loss } from '../autograd/ops/losses.ts';
import { weightedSum } from '../autograd/ops/weighted-sum.ts';
import type { Tensor } from '../autograd/tensor.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Adam } from '../nn/adam.ts';
import { INITIALISERS, type InitialiserName } from '../nn/initialisers.ts';
import type { LossScaler } from '../nn/loss-scaler.ts';
import type { ForwardContext, Network } from '../nn/network.ts';
import { NORM_NAMES, type NormName } from '../nn/norm.ts';
import { PatchGan } from '../nn/patchgan-basic.ts';
import { DROPOUT_SITES, type DropoutSite, UNet } from '../nn/unet.ts';
import { UPSAMPLES, type Upsample } from '../nn/upsample.ts';
import { enhanceWith } from './enhancing.ts';
import { GAN_MODES, type GanMode, ganLoss } from './gan-loss.ts';
import { pix2pixPlan } from './generator-plans.ts';
import {
  type Batch,
  learningRateOf,
  type Method,
  type StepContext,
  trainingPasses,
} from './method.ts';
import { defaultLevels, methodKind, PAPER_TRAINING, PIX2PIX_TRAINING } from './method-kind.ts';
import { Assembly, disposeParts } from './parts.ts';
import { PRECISIONS, type Precision } from './precision.ts';

export interface Pix2PixOptions {
  readonly ngf: number;
  readonly ndf: number;
  readonly levels: number;
  readonly norm: NormName;
  readonly dropout: number;
  readonly dropoutSite: DropoutSite;
  /** How the generators double their maps' sides. */
  readonly upsample: Upsample;
  readonly initialiser: InitialiserName;
  readonly ganMode: GanMode;
  readonly lambdaL1: number;
  /** Weight of |G_H(H) - H|, which is not of the publication. */
  readonly lambdaIdentity: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly seed: number;
  /** How activations of the networks are stored. */
  readonly precision: Precision;
}

/**
 * pix2pix (Isola et al. 2017): a U-Net and a PatchGAN that sees the low-quality image beside the high
 * one. Discriminator first: ½ [GAN(D(L,H'),0) + GAN(D(L,H),1)], then the generator with D frozen:
 * GAN(D(L,H'),1) + λ_L1 |H - H'| + λ_identity |G_H(H) - H|, with H' = G_H(L) of one and the same pass.
 * Steps and weights after pytorch-CycleGAN-and-pix2pix, `models/pix2pix_model.py`; unlike its test
 * script, enhancing draws no dropout and uses running statistics. The identity term is not of the
 * publication; with it, running statistics are of passes over high-quality images too.
 */
export class Pix2PixMethod implements Method {
  readonly name = 'pix2pix';
  readonly isReplayable = true;
  readonly lossNames: readonly string[];
  readonly options: Pix2PixOptions;
  readonly networks: ReadonlyMap<string, Network>;
  readonly optimisers: ReadonlyMap<string, Adam>;
  readonly scalers: ReadonlyMap<string, LossScaler>;
  readonly pools = new Map<string, never>();
  private readonly parts: Assembly<{ G_H: UNet; D_H: PatchGan }>;

  /** @throws UsageError if an option is out of range */
  constructor(gpu: Gpu, options: Pix2PixOptions) {
    this.options = options;
    this.lossNames = [
      ...[
        'G',
        'G_adversarial_H',
        'G_l1_H',
        ...(options.lambdaIdentity > 0 ? ['G_identity_H'] : []),
      ],
      ...['D', 'D_real_H', 'D_fake_H'],
    ];
    const zeros = { paddingMode: 'zeros' } as const;
    this.parts = new Assembly(gpu, options, {
      G_H: (random) =>
        new UNet(gpu, { ...options, ...zeros, inChannels: 1, outChannels: 1 }, random),
      D_H: (random) => new PatchGan(gpu, { ...options, inChannels: 2 }, random),
    });
    this.networks = this.parts.networks;
    this.optimisers = this.parts.optimisers;
    this.scalers = this.parts.scalers;
  }

  get sizeMultiple(): number {
    return this.parts.byName.G_H.sizeMultiple;
  }

  trainStep(batch: Batch, context: StepContext): Tensor[] {
    const { seed, precision } = this.options;
    const pass = trainingPasses(seed, context.step, precision);
    const fake = this.parts.byName.G_H.forward(batch.low, pass(0));
    const discriminatorLosses = this.discriminatorStep(batch, fake, pass(0), context);
    const generatorLosses = this.generatorStep(batch, fake, pass, context);
    return [...generatorLosses, ...discriminatorLosses];
  }

  enhance(low: Tensor): Tensor {
    return enhanceWith(this.parts.byName.G_H, low);
  }

  dispose(): void {
    disposeParts(this);
  }

  private judge(low: Tensor, high: Tensor, pass: ForwardContext): Tensor {
    return this.parts.byName.D_H.forward(concat([low, high], 1), pass);
  }

  /** Updates D; returns [D, real, fake]. */
  private discriminatorStep(
    batch: Batch,
    fake: Tensor,
    pass: ForwardContext,
    context: StepContext,
  ): Tensor[] {
    const { ganMode } = this.options;
    // The fake first, as upstream: with batch norm the order shows in the running statistics.
    const onFake = ganLoss(ganMode, this.judge(batch.low, fake.detach(), pass), 0);
    const onReal = ganLoss(ganMode, this.judge(batch.low, batch.high, pass), 1);
    const total = weightedSum([onFake, onReal], [0.5, 0.5]);
    this.parts.update('D', total, learningRateOf(context));
    return [total, onReal, onFake];
  }

  /** Updates G; returns the total and its terms, unweighted. */
  private generatorStep(
    batch: Batch,
    fake: Tensor,
    pass: (index: number) => ForwardContext,
    context: StepContext,
  ): Tensor[] {
    const { ganMode, lambdaL1, lambdaIdentity } = this.options;
    const terms = [
      ganLoss(ganMode, this.judge(batch.low, fake, pass(0)), 1),
      l1Loss(fake, batch.high),
    ];
    const weights = [1, lambdaL1];
    if (lambdaIdentity > 0) {
      terms.push(l1Loss(this.parts.byName.G_H.forward(batch.high, pass(1)), batch.high));
      weights.push(lambdaIdentity);
    }
    const total = weightedSum(terms, weights);
    this.parts.update('G', total, learningRateOf(context));
    return [total, ...terms];
  }
}

export const PIX2PIX = methodKind<Pix2PixOptions>({
  name: 'pix2pix',
  defaults: (protocol, size) => ({
    ...(protocol === 'paper' ? PAPER_TRAINING : PIX2PIX_TRAINING),
    ngf: 64,
    ndf: 64,
    levels: defaultLevels(size),
    norm: 'batch',
    upsample: 'transposed',
    dropout: 0.5,
    'dropout-site': 'decoder',
    'gan-mode': 'vanilla',
    'lambda-l1': 100,
    'lambda-identity': 0,
    precision: 'f32',
  }),
  read: (options) => ({
    ngf: options.number('ngf'),
    ndf: options.number('ndf'),
    levels: options.number('levels'),
    norm: options.choice('norm', NORM_NAMES),
    dropout: options.number('dropout'),
    dropoutSite: options.choice('dropout-site', DROPOUT_SITES),
    upsample: options.choice('upsample', UPSAMPLES),
    initialiser: options.choice('init', INITIALISERS),
    ganMode: options.choice('gan-mode', GAN_MODES),
    lambdaL1: options.number('lambda-l1'),
    lambdaIdentity: options.number('lambda-identity'),
    beta1: options.number('beta1'),
    beta2: options.number('beta2'),
    seed: options.number('seed'),
    precision: options.choice('precision', PRECISIONS),
  }),
  sizeMultiple: ({ levels }) => 2 ** levels,
  architecture: ({ ngf, ndf, levels, norm, upsample }) => ({
    method: 'pix2pix',
    channels: 1,
    ngf,
    ndf,
    levels,
    norm,
    upsample,
  }),
  create: (gpu, options) => new Pix2PixMethod(gpu, options),
  generator: pix2pixPlan,
});
