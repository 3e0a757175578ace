import { concat } from '../autograd/ops/concat.ts';
import { l1Loss, mseToScalar } from '../autograd/ops/losses.ts';
import { meanPerSample } from '../autograd/ops/reduce.ts';
import { weightedSum } from '../autograd/ops/weighted-sum.ts';
import type { RandomStream } from '../autograd/philox.ts';
import { noGrad } from '../autograd/tape.ts';
import type { Tensor } from '../autograd/tensor.ts';
import { UsageError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Adam } from '../nn/adam.ts';
import { ImagePool } from '../nn/image-pool.ts';
import { INITIALISERS, type InitialiserName } from '../nn/initialisers.ts';
import type { LossScaler } from '../nn/loss-scaler.ts';
import type { ForwardContext, Network } from '../nn/network.ts';
import { PatchGan } from '../nn/patchgan-basic.ts';
import { RegistrationNet, smoothness, warp } from '../nn/registration.ts';
import { ResNet } from '../nn/resnet.ts';
import { UPSAMPLES, type Upsample } from '../nn/upsample.ts';
import { enhanceWith } from './enhancing.ts';
import { resnetPlan } from './generator-plans.ts';
import {
  type Batch,
  learningRateOf,
  type Method,
  type StepContext,
  trainingPasses,
} from './method.ts';
import { methodKind, type OptionReader, PAPER_TRAINING } from './method-kind.ts';
import { Assembly, disposeParts } from './parts.ts';
import { PRECISIONS, type Precision } from './precision.ts';

/**
 * `NC`: one generator, adversarial only; `C`: two, with cycles; `+R`: with registration. The mode of
 * the publication's headline is NC+R.
 */
export const REGGAN_MODES = ['NC', 'NC+R', 'C', 'C+R'] as const;
export type RegGanMode = (typeof REGGAN_MODES)[number];

export interface RegGanOptions {
  readonly mode: RegGanMode;
  readonly ngf: number;
  readonly ndf: number;
  readonly blocks: number;
  /** Width and depth of the registration network. */
  readonly nrf: number;
  readonly registrationLevels: number;
  /** How the generators double their maps' sides. */
  readonly upsample: Upsample;
  readonly initialiser: InitialiserName;
  /** Earlier fakes kept for each discriminator; NC+R has none. */
  readonly poolSize: number;
  readonly lambdaCycle: number;
  /** Weight of |warp(H') - H|. */
  readonly lambdaRegistration: number;
  readonly lambdaSmooth: number;
  /** Weight of |G_H(H) - H|, with cycles also of |G_L(L) - L|; not of the publication. */
  readonly lambdaIdentity: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly seed: number;
  /** How activations of the networks are stored. */
  readonly precision: Precision;
}

/** Without cycles there is no way back, without registration no R. */
type RegGanNetworks = {
  readonly G_H: ResNet;
  readonly G_L?: ResNet;
  readonly D_H: PatchGan;
  readonly D_L?: PatchGan;
  readonly R?: RegistrationNet;
};

/** What one direction needs: from its source domain into its own. */
interface Direction {
  readonly letter: 'H' | 'L';
  readonly generator: ResNet;
  readonly discriminator: PatchGan;
  readonly pool: ImagePool | undefined;
}

/** `[N,1,H',W']` logits as one mean a sample: RegGAN's discriminator pools them. */
function judge(discriminator: PatchGan, x: Tensor, pass: ForwardContext): Tensor {
  return meanPerSample(discriminator.forward(x, pass));
}

/**
 * RegGAN (Kong et al. 2021): the high-quality image is a noisy label, off by a movement that a third
 * network R learns along with the generator:
 *
 *     MSE(D_H(H'),1) + λ_registration |warp(H', R(H',H)) - H| + λ_smooth smoothness(R(H',H))
 *
 * with H' = G_H(L), plus in C and C+R the other direction's adversarial term and
 * λ_cycle [|H-H̄| + |L-L̄|], and if wanted λ_identity |G_H(H) - H| (in both directions). D sees one mean logit a sample: MSE(D(fake),0) + MSE(D(real),1); in NC+R the
 * fakes are made again by the updated generator, else they come from a pool. After Reg-GAN
 * `trainer/CycTrainer.py`.
 */
export class RegGanMethod implements Method {
  readonly name = 'reggan';
  readonly isReplayable = true;
  readonly lossNames: readonly string[];
  readonly options: RegGanOptions;
  readonly networks: ReadonlyMap<string, Network>;
  readonly optimisers: ReadonlyMap<string, Adam>;
  readonly scalers: ReadonlyMap<string, LossScaler>;
  readonly pools: ReadonlyMap<string, ImagePool>;
  private readonly high: Direction;
  private readonly low: Direction | undefined;
  private readonly registration: RegistrationNet | undefined;
  private readonly parts: Assembly<RegGanNetworks>;

  /** @throws UsageError if an option is out of range */
  constructor(gpu: Gpu, options: RegGanOptions) {
    this.options = options;
    const { mode, seed, nrf, registrationLevels, poolSize } = options;
    const { hasCycle, hasRegistration, hasPool } = partsOf(mode);
    const generator = (random: RandomStream): ResNet =>
      new ResNet(gpu, { ...options, inChannels: 1, outChannels: 1 }, random);
    const discriminator = (random: RandomStream): PatchGan =>
      new PatchGan(gpu, { ...options, inChannels: 1, norm: 'instance' }, random);
    const registration = (random: RandomStream): RegistrationNet =>
      new RegistrationNet(gpu, { width: nrf, levels: registrationLevels }, random);
    this.parts = new Assembly<RegGanNetworks>(gpu, options, {
      G_H: generator,
      ...(hasCycle && { G_L: generator }),
      D_H: discriminator,
      ...(hasCycle && { D_L: discriminator }),
      ...(hasRegistration && { R: registration }),
    });
    this.networks = this.parts.networks;
    this.optimisers = this.parts.optimisers;
    this.scalers = this.parts.scalers;
    const { G_H, G_L, D_H, D_L, R } = this.parts.byName;
    const poolOf = (letter: string): ImagePool | undefined =>
      hasPool ? new ImagePool(gpu, poolSize, seed, letter) : undefined;
    this.high = { letter: 'H', generator: G_H, discriminator: D_H, pool: poolOf('H') };
    this.low = G_L && D_L && { letter: 'L', generator: G_L, discriminator: D_L, pool: poolOf('L') };
    this.registration = R;
    const directions = this.directions();
    this.pools = new Map(
      directions.flatMap(({ letter, pool }) => (pool ? [[letter, pool] as const] : [])),
    );
    const letters = directions.map(({ letter }) => letter);
    this.lossNames = [
      'G',
      ...letters.map((letter) => `G_adversarial_${letter}`),
      ...(hasCycle ? ['G_cycle_H', 'G_cycle_L'] : []),
      ...(hasRegistration ? ['G_registration_H', 'G_smooth_H'] : []),
      ...(options.lambdaIdentity > 0 ? letters.map((letter) => `G_identity_${letter}`) : []),
      'D',
      ...letters.flatMap((letter) => [`D_fake_${letter}`, `D_real_${letter}`]),
    ];
  }

  get sizeMultiple(): number {
    return this.high.generator.sizeMultiple;
  }

  trainStep(batch: Batch, context: StepContext): Tensor[] {
    const { seed, precision } = this.options;
    const pass = trainingPasses(seed, context.step, precision)(0);
    const fakes = {
      high: this.high.generator.forward(batch.low, pass),
      low: this.low?.generator.forward(batch.high, pass),
    };
    const generatorLosses = this.generatorStep(batch, fakes, pass, context);
    const discriminatorLosses = this.discriminatorStep(batch, fakes, pass, context);
    return [...generatorLosses, ...discriminatorLosses];
  }

  enhance(low: Tensor): Tensor {
    return enhanceWith(this.high.generator, low);
  }

  dispose(): void {
    disposeParts(this);
  }

  private directions(): Direction[] {
    return this.low ? [this.high, this.low] : [this.high];
  }

  /** Updates the generators and R together; returns the total and its terms, unweighted. */
  private generatorStep(
    batch: Batch,
    fakes: { readonly high: Tensor; readonly low: Tensor | undefined },
    pass: ForwardContext,
    context: StepContext,
  ): Tensor[] {
    const { lambdaCycle, lambdaRegistration, lambdaSmooth, lambdaIdentity } = this.options;
    const terms = [mseToScalar(judge(this.high.discriminator, fakes.high, pass), 1)];
    const weights = [1];
    if (this.low && fakes.low) {
      terms.push(
        mseToScalar(judge(this.low.discriminator, fakes.low, pass), 1),
        l1Loss(this.high.generator.forward(fakes.low, pass), batch.high),
        l1Loss(this.low.generator.forward(fakes.high, pass), batch.low),
      );
      weights.push(1, lambdaCycle, lambdaCycle);
    }
    if (this.registration) {
      const flow = this.registration.forward(concat([fakes.high, batch.high], 1), pass);
      terms.push(l1Loss(warp(fakes.high, flow), batch.high), smoothness(flow));
      weights.push(lambdaRegistration, lambdaSmooth);
    }
    for (const { letter, generator } of lambdaIdentity > 0 ? this.directions() : []) {
      const own = letter === 'H' ? batch.high : batch.low;
      terms.push(l1Loss(generator.forward(own, pass), own));
      weights.push(lambdaIdentity);
    }
    const total = weightedSum(terms, weights);
    this.parts.update(this.registration ? 'RG' : 'G', total, learningRateOf(context));
    return [total, ...terms];
  }

  /** Updates the discriminators; returns the total and [fake, real] of each. */
  private discriminatorStep(
    batch: Batch,
    fakes: { readonly high: Tensor; readonly low: Tensor | undefined },
    pass: ForwardContext,
    context: StepContext,
  ): Tensor[] {
    const terms = this.directions().flatMap(({ letter, generator, discriminator, pool }) => {
      const [source, real] = letter === 'H' ? [batch.low, batch.high] : [batch.high, batch.low];
      const made = letter === 'H' ? fakes.high : fakes.low;
      const fake =
        pool && made
          ? pool.exchange(made, context.step)
          : noGrad(() => generator.forward(source, pass));
      return [
        mseToScalar(judge(discriminator, fake, pass), 0),
        mseToScalar(judge(discriminator, real, pass), 1),
      ];
    });
    const total = weightedSum(
      terms,
      terms.map(() => 1),
    );
    this.parts.update('D', total, learningRateOf(context));
    return [total, ...terms];
  }
}

function partsOf(mode: RegGanMode) {
  return {
    hasCycle: mode.startsWith('C'),
    hasRegistration: mode.endsWith('+R'),
    hasPool: mode !== 'NC+R',
  };
}

/** Halvings that leave the registration network's bottleneck at least 2 pixels wide, at most 7. */
function defaultRegistrationLevels(size: number): number {
  let levels = 1;
  while (levels < 7 && size % 2 ** (levels + 1) === 0 && size >= 2 ** (levels + 2)) levels++;
  return levels;
}

/** @throws UsageError if the images are too small for so many halvings */
function readRegistrationLevels(options: OptionReader): number {
  const levels = options.number('registration-levels');
  const smallest = 2 ** (levels + 1);
  if (options.number('size') < smallest) {
    throw new UsageError(
      `--registration-levels ${levels}: expected a --size of at least ${smallest}, found ${options.number('size')}`,
    );
  }
  return levels;
}

const REGISTRATION_OPTIONS = ['nrf', 'registration-levels', 'lambda-registration', 'lambda-smooth'];

export const REGGAN = methodKind<RegGanOptions>({
  name: 'reggan',
  defaults: (protocol, size) => ({
    ...PAPER_TRAINING,
    ...(protocol === 'native' && {
      batch: 1,
      epochs: 80,
      lr: 1e-4,
      schedule: 'constant',
      beta1: 0.5,
    }),
    mode: 'NC+R',
    ngf: 64,
    ndf: 64,
    blocks: 9,
    upsample: 'transposed',
    nrf: 32,
    'registration-levels': defaultRegistrationLevels(size),
    'pool-size': 50,
    'lambda-cycle': 10,
    'lambda-registration': 20,
    'lambda-smooth': 10,
    'lambda-identity': 0,
    precision: 'f32',
  }),
  unused: (options) => {
    const mode = options.choice('mode', REGGAN_MODES);
    const { hasCycle, hasRegistration, hasPool } = partsOf(mode);
    return {
      names: [
        ...(hasPool ? [] : ['pool-size']),
        ...(hasCycle ? [] : ['lambda-cycle']),
        ...(hasRegistration ? [] : REGISTRATION_OPTIONS),
      ],
      because: `--method reggan --mode ${mode}`,
    };
  },
  read: (options) => ({
    mode: options.choice('mode', REGGAN_MODES),
    ngf: options.number('ngf'),
    ndf: options.number('ndf'),
    blocks: options.number('blocks'),
    nrf: options.number('nrf'),
    registrationLevels: readRegistrationLevels(options),
    upsample: options.choice('upsample', UPSAMPLES),
    initialiser: options.choice('init', INITIALISERS),
    poolSize: options.number('pool-size'),
    lambdaCycle: options.number('lambda-cycle'),
    lambdaRegistration: options.number('lambda-registration'),
    lambdaSmooth: options.number('lambda-smooth'),
    lambdaIdentity: options.number('lambda-identity'),
    beta1: options.number('beta1'),
    beta2: options.number('beta2'),
    seed: options.number('seed'),
    precision: options.choice('precision', PRECISIONS),
  }),
  sizeMultiple: () => ResNet.SIZE_MULTIPLE,
  architecture: ({ mode, ngf, ndf, blocks, upsample, nrf, registrationLevels }) => ({
    method: 'reggan',
    channels: 1,
    mode,
    ngf,
    ndf,
    blocks,
    upsample,
    nrf,
    registrationLevels,
  }),
  create: (gpu, options) => new RegGanMethod(gpu, options),
  generator: resnetPlan,
});
