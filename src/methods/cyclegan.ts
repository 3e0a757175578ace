import { l1Loss } from '../autograd/ops/losses.ts';
import { weightedSum } from '../autograd/ops/weighted-sum.ts';
import { RandomStream } from '../autograd/philox.ts';
import { backward } from '../autograd/tape.ts';
import { type Tensor, tensorFrom } from '../autograd/tensor.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Adam } from '../nn/adam.ts';
import { ImagePool } from '../nn/image-pool.ts';
import { INITIALISERS, type InitialiserName } from '../nn/initialisers.ts';
import type { ForwardContext, Network } from '../nn/network.ts';
import { PatchGan } from '../nn/patchgan-basic.ts';
import { ResNet } from '../nn/resnet.ts';
import { UPSAMPLES, type Upsample } from '../nn/upsample.ts';
import { GAN_MODES, type GanMode, ganLoss } from './gan-loss.ts';
import { resnetPlan } from './generators.ts';
import {
  type Batch,
  ENHANCER_PREFIX,
  type Method,
  type StepContext,
  trainingPasses,
} from './method.ts';
import { methodKind, PAPER_TRAINING, PIX2PIX_TRAINING } from './method-kind.ts';
import { adamOver, disposeParts, enhanceWith, parametersOf } from './parts.ts';

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
}

const LOSS_NAMES = [
  'G',
  'G_adversarial_H',
  'G_adversarial_L',
  'G_cycle_H',
  'G_cycle_L',
  'G_identity_H',
  'G_identity_L',
  'D',
  'D_real_H',
  'D_fake_H',
  'D_real_L',
  'D_fake_L',
] as const;

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
  readonly lossNames: readonly string[] = LOSS_NAMES;
  readonly options: CycleGanOptions;
  readonly networks: ReadonlyMap<string, Network>;
  readonly optimisers: ReadonlyMap<string, Adam>;
  readonly pools: ReadonlyMap<string, ImagePool>;
  private readonly gpu: Gpu;
  private readonly generatorH: ResNet;
  private readonly generatorL: ResNet;
  private readonly discriminatorH: PatchGan;
  private readonly discriminatorL: PatchGan;
  private readonly generatorOptimiser: Adam;
  private readonly discriminatorOptimiser: Adam;
  private readonly poolH: ImagePool;
  private readonly poolL: ImagePool;

  /** @throws UsageError if an option is out of range */
  constructor(gpu: Gpu, options: CycleGanOptions) {
    this.gpu = gpu;
    this.options = options;
    const { seed, poolSize } = options;
    const generator = (stream: string): ResNet =>
      new ResNet(
        gpu,
        { ...options, inChannels: 1, outChannels: 1 },
        new RandomStream(seed, stream),
      );
    const discriminator = (stream: string): PatchGan =>
      new PatchGan(
        gpu,
        { ...options, inChannels: 1, norm: 'instance' },
        new RandomStream(seed, stream),
      );
    this.generatorH = generator('G_H');
    this.generatorL = generator('G_L');
    this.discriminatorH = discriminator('D_H');
    this.discriminatorL = discriminator('D_L');
    this.networks = new Map<string, Network>([
      [ENHANCER_PREFIX, this.generatorH],
      ['G_L.', this.generatorL],
      ['D_H.', this.discriminatorH],
      ['D_L.', this.discriminatorL],
    ]);
    this.generatorOptimiser = adamOver(gpu, this.networks, ['G_H.', 'G_L.'], options);
    this.discriminatorOptimiser = adamOver(gpu, this.networks, ['D_H.', 'D_L.'], options);
    this.optimisers = new Map([
      ['G', this.generatorOptimiser],
      ['D', this.discriminatorOptimiser],
    ]);
    this.poolH = new ImagePool(gpu, poolSize, seed, 'H');
    this.poolL = new ImagePool(gpu, poolSize, seed, 'L');
    this.pools = new Map([
      ['H', this.poolH],
      ['L', this.poolL],
    ]);
  }

  get sizeMultiple(): number {
    return this.generatorH.sizeMultiple;
  }

  trainStep(batch: Batch, context: StepContext): Tensor[] {
    const pass = trainingPasses(this.options.seed, context.step)(0);
    const fakes = {
      high: this.generatorH.forward(batch.low),
      low: this.generatorL.forward(batch.high),
    };
    const generatorLosses = this.generatorStep(batch, fakes, pass, context);
    const discriminatorLosses = this.discriminatorStep(batch, fakes, pass, context);
    return [...generatorLosses, ...discriminatorLosses];
  }

  enhance(low: Tensor): Tensor {
    return enhanceWith(this.generatorH, low);
  }

  dispose(): void {
    disposeParts(this);
  }

  /** Updates G_H and G_L; returns the total and the six terms, unweighted. */
  private generatorStep(
    batch: Batch,
    fakes: Batch,
    pass: ForwardContext,
    context: StepContext,
  ): Tensor[] {
    const { lambdaCycle, lambdaIdentity, ganMode } = this.options;
    const terms = [
      ganLoss(ganMode, this.discriminatorH.forward(fakes.high, pass), 1),
      ganLoss(ganMode, this.discriminatorL.forward(fakes.low, pass), 1),
      l1Loss(this.generatorH.forward(fakes.low), batch.high),
      l1Loss(this.generatorL.forward(fakes.high), batch.low),
    ];
    const weights = [1, 1, lambdaCycle, lambdaCycle];
    if (lambdaIdentity > 0) {
      terms.push(l1Loss(this.generatorH.forward(batch.high), batch.high));
      terms.push(l1Loss(this.generatorL.forward(batch.low), batch.low));
      weights.push(lambdaIdentity, lambdaIdentity);
    }
    const total = weightedSum(terms, weights);
    backward(total, parametersOf(this.generatorH, this.generatorL));
    this.generatorOptimiser.step(context.learningRate);
    while (terms.length < 6) terms.push(tensorFrom(this.gpu, [0], []));
    return [total, ...terms];
  }

  /** Updates D_H and D_L; returns [D, real_H, fake_H, real_L, fake_L]. */
  private discriminatorStep(
    batch: Batch,
    fakes: Batch,
    pass: ForwardContext,
    context: StepContext,
  ): Tensor[] {
    const { ganMode } = this.options;
    const domain = (network: PatchGan, pool: ImagePool, real: Tensor, fake: Tensor): Tensor[] => [
      ganLoss(ganMode, network.forward(real, pass), 1),
      ganLoss(ganMode, network.forward(pool.exchange(fake, context.step), pass), 0),
    ];
    const terms = [
      ...domain(this.discriminatorH, this.poolH, batch.high, fakes.high),
      ...domain(this.discriminatorL, this.poolL, batch.low, fakes.low),
    ];
    const total = weightedSum(terms, [0.5, 0.5, 0.5, 0.5]);
    backward(total, parametersOf(this.discriminatorH, this.discriminatorL));
    this.discriminatorOptimiser.step(context.learningRate);
    return [total, ...terms];
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
