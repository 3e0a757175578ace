import { labelSmoothing } from '../../kernels/label-smoothing.ts';
import { l1Loss, mseToScalar } from '../autograd/ops/losses.ts';
import { weightedSum } from '../autograd/ops/weighted-sum.ts';
import type { RandomStream } from '../autograd/philox.ts';
import { noGrad } from '../autograd/tape.ts';
import { emptyTensor, runKernel, type Tensor, tensorFrom } from '../autograd/tensor.ts';
import { UsageError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Adam } from '../nn/adam.ts';
import { INITIALISERS, type InitialiserName } from '../nn/initialisers.ts';
import type { LossScaler } from '../nn/loss-scaler.ts';
import type { ForwardContext, Network } from '../nn/network.ts';
import { SpectralPatchGan } from '../nn/patchgan.ts';
import type { PerceptualDistance } from '../nn/perceptual/perceptual-distance.ts';
import { DROPOUT_SITES, type DropoutSite, PADDING_MODES, UNet } from '../nn/unet.ts';
import { UPSAMPLES, type Upsample } from '../nn/upsample.ts';
import { enhanceWith } from './enhancing.ts';
import { proposedPlan } from './generator-plans.ts';
import {
  type Batch,
  learningRateOf,
  type Method,
  type MethodArchitecture,
  type StepContext,
  trainingPasses,
} from './method.ts';
import { defaultLevels, methodKind, PAPER_TRAINING } from './method-kind.ts';
import { Assembly, disposeParts } from './parts.ts';
import { PRECISIONS, type Precision } from './precision.ts';

export interface ProposedOptions {
  readonly ngf: number;
  readonly ndf: number;
  readonly levels: number;
  readonly dropout: number;
  readonly dropoutSite: DropoutSite;
  readonly paddingMode: 'zeros' | 'reflect';
  readonly spectralLayers: 4 | 5;
  /** How the generators double their maps' sides. */
  readonly upsample: Upsample;
  readonly initialiser: InitialiserName;
  /** `authors-bug`: as the authors' code, whose low-quality target is always 0.9. */
  readonly smoothing: 'paper' | 'authors-bug';
  /**
   * Fakes in the generator's step: made again (the authors; new dropout masks), or those of the
   * discriminator's step. `auto` reuses them exactly where dropout draws nothing.
   */
  readonly fakes: 'auto' | 'reuse' | 'recompute';
  readonly lambdaAdversarial: number;
  readonly lambdaCycle: number;
  readonly lambdaL1: number;
  readonly lambdaPerceptual: number;
  /** Weight of |G_H(H) - H| + |G_L(L) - L|; 0 in the paper, 1 in its authors' challenge code. */
  readonly lambdaIdentity: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly seed: number;
  /** How activations of the networks are stored. */
  readonly precision: Precision;
}

/** The paper's settings (section "Implementation Details"). */
export const PROPOSED_DEFAULTS: ProposedOptions = {
  ngf: 64,
  ndf: 64,
  levels: 8,
  dropout: 0.5,
  dropoutSite: 'encoder',
  paddingMode: 'zeros',
  spectralLayers: 4,
  upsample: 'transposed',
  initialiser: 'default',
  smoothing: 'paper',
  fakes: 'auto',
  lambdaAdversarial: 1,
  lambdaCycle: 10,
  lambdaL1: 2,
  lambdaPerceptual: 10,
  lambdaIdentity: 0,
  beta1: 0.9,
  beta2: 0.999,
  seed: 0,
  precision: 'f32',
};

/** What identifies the architecture that options give, in a checkpoint. */
export function proposedArchitecture(options: ProposedOptions): MethodArchitecture {
  const { ngf, ndf, levels, paddingMode, spectralLayers, upsample } = options;
  const generators = { ngf, levels, paddingMode, upsample };
  return { method: 'proposed', channels: 1, ...generators, ndf, spectralLayers };
}

/** Above this mean logit a discriminator counts as confident, and its label is smoothed to it. */
const SMOOTHED_LABEL = 0.9;

const GENERATOR_NAMES = [
  'G',
  'G_adversarial_H',
  'G_adversarial_L',
  'G_cycle_H',
  'G_cycle_L',
  'G_l1_H',
  'G_l1_L',
  'G_perceptual_H',
  'G_perceptual_L',
] as const;
const IDENTITY_NAMES = ['G_identity_H', 'G_identity_L'] as const;
const DISCRIMINATOR_NAMES = [
  'D',
  'D_real_H',
  'D_fake_H',
  'D_real_L',
  'D_fake_L',
  'label_H',
  'label_L',
] as const;

/**
 * The paper's proposed method: a CycleGAN of two U-Nets (G_H lifts low to high, G_L the way back) and
 * two spectral-norm PatchGANs, with paired L1 and perceptual terms.
 *
 * Discriminators first: Σ over domains of MSE(D(real), t) + MSE(D(fake), 0), t the smoothed label.
 * Then generators:
 *
 *     λ_adv [MSE(D_H(H'),1) + MSE(D_L(L'),1)] + λ_cycle [|H-H̄| + |L-L̄|]
 *       + λ_L1 [|H-H'| + |L-L'|] + λ_per [Φ(H,H') + Φ(L,L')]
 *       + λ_identity [|G_H(H)-H| + |G_L(L)-L|]
 *
 * (the last not in the paper) with H' = G_H(L), L' = G_L(H), H̄ = G_H(L'), L̄ = G_L(H').
 */
export class ProposedMethod implements Method {
  readonly name = 'proposed';
  readonly isReplayable = true;
  readonly lossNames: readonly string[];
  readonly options: ProposedOptions;
  readonly networks: ReadonlyMap<string, Network>;
  readonly optimisers: ReadonlyMap<string, Adam>;
  readonly scalers: ReadonlyMap<string, LossScaler>;
  readonly pools = new Map<string, never>();
  private readonly gpu: Gpu;
  private readonly perceptual: PerceptualDistance | undefined;
  private readonly parts: Assembly<{
    G_H: UNet;
    G_L: UNet;
    D_H: SpectralPatchGan;
    D_L: SpectralPatchGan;
  }>;

  /**
   * @param perceptual frozen distance Φ; needed unless `lambdaPerceptual` is 0
   * @throws UsageError if Φ is missing or an option is out of range
   */
  constructor(gpu: Gpu, options: ProposedOptions, perceptual?: PerceptualDistance) {
    if (options.lambdaPerceptual !== 0 && !perceptual) {
      throw new UsageError(
        'the proposed method needs a perceptual distance, or lambdaPerceptual 0',
      );
    }
    this.gpu = gpu;
    this.options = options;
    this.lossNames = [
      ...GENERATOR_NAMES,
      ...(options.lambdaIdentity > 0 ? IDENTITY_NAMES : []),
      ...DISCRIMINATOR_NAMES,
    ];
    this.perceptual = options.lambdaPerceptual === 0 ? undefined : perceptual;
    const generator = (random: RandomStream): UNet =>
      new UNet(gpu, { ...options, inChannels: 1, outChannels: 1 }, random);
    const discriminator = (random: RandomStream): SpectralPatchGan =>
      new SpectralPatchGan(gpu, { ...options, inChannels: 1 }, random);
    this.parts = new Assembly(gpu, options, {
      ...{ G_H: generator, G_L: generator },
      ...{ D_H: discriminator, D_L: discriminator },
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
    const reuse = this.reusesFakes();
    const { G_H, G_L } = this.parts.byName;
    const makeFakes = (first: number): { high: Tensor; low: Tensor } => ({
      high: G_H.forward(batch.low, pass(first)),
      low: G_L.forward(batch.high, pass(first + 1)),
    });
    const fakes = reuse ? makeFakes(0) : noGrad(() => makeFakes(0));
    const discriminatorLosses = this.discriminatorStep(batch, fakes, pass(2), context);
    const generatorFakes = reuse ? fakes : makeFakes(2);
    const generatorLosses = this.generatorStep(batch, generatorFakes, pass, context);
    return [...generatorLosses, ...discriminatorLosses];
  }

  enhance(low: Tensor): Tensor {
    return enhanceWith(this.parts.byName.G_H, low);
  }

  dispose(): void {
    disposeParts(this);
  }

  private reusesFakes(): boolean {
    const { fakes } = this.options;
    return fakes === 'reuse' || (fakes === 'auto' && !this.parts.byName.G_H.isStochastic);
  }

  /** Updates D_H and D_L; returns [D, real_H, fake_H, real_L, fake_L, label_H, label_L]. */
  private discriminatorStep(
    batch: Batch,
    fakes: { readonly high: Tensor; readonly low: Tensor },
    pass: ForwardContext,
    context: StepContext,
  ): Tensor[] {
    const domain = (network: SpectralPatchGan, real: Tensor, fake: Tensor, buggy: boolean) => {
      const realLogits = network.forward(real, pass);
      const fakeLogits = network.forward(fake.detach(), pass);
      const label = buggy
        ? tensorFrom(this.gpu, [SMOOTHED_LABEL], [])
        : this.smoothedLabel(realLogits, fakeLogits);
      return {
        label,
        real: mseToScalar(realLogits, label),
        fake: mseToScalar(fakeLogits, 0),
      };
    };
    const { D_H, D_L } = this.parts.byName;
    const high = domain(D_H, batch.high, fakes.high, false);
    const low = domain(D_L, batch.low, fakes.low, this.options.smoothing === 'authors-bug');
    const terms = [high.real, high.fake, low.real, low.fake];
    const total = weightedSum(terms, [1, 1, 1, 1]);
    this.parts.update('D', total, learningRateOf(context));
    return [total, ...terms, high.label, low.label];
  }

  private smoothedLabel(realLogits: Tensor, fakeLogits: Tensor): Tensor {
    const label = emptyTensor(this.gpu, []);
    const counts = [realLogits.size, fakeLogits.size] as const;
    runKernel(labelSmoothing(SMOOTHED_LABEL, SMOOTHED_LABEL, counts, this.gpu.profile), [
      realLogits,
      fakeLogits,
      label,
    ]);
    return label;
  }

  /** Updates G_H and G_L; returns the total and the eight terms, unweighted. */
  private generatorStep(
    batch: Batch,
    fakes: { readonly high: Tensor; readonly low: Tensor },
    pass: (index: number) => ForwardContext,
    context: StepContext,
  ): Tensor[] {
    const { lambdaAdversarial, lambdaCycle, lambdaL1, lambdaPerceptual, lambdaIdentity } =
      this.options;
    const { G_H, G_L, D_H, D_L } = this.parts.byName;
    const cycledHigh = G_H.forward(fakes.low, pass(4));
    const cycledLow = G_L.forward(fakes.high, pass(5));
    const terms = [
      mseToScalar(D_H.forward(fakes.high, pass(6)), 1),
      mseToScalar(D_L.forward(fakes.low, pass(6)), 1),
      l1Loss(cycledHigh, batch.high),
      l1Loss(cycledLow, batch.low),
      l1Loss(fakes.high, batch.high),
      l1Loss(fakes.low, batch.low),
    ];
    const perceptual =
      this.perceptual?.meanDistances(
        [
          { real: batch.high, fake: fakes.high },
          { real: batch.low, fake: fakes.low },
        ],
        this.options.precision,
      ) ?? [];
    const identity =
      lambdaIdentity > 0
        ? [
            l1Loss(G_H.forward(batch.high, pass(7)), batch.high),
            l1Loss(G_L.forward(batch.low, pass(8)), batch.low),
          ]
        : [];
    const twice = (weight: number): number[] => [weight, weight];
    const total = weightedSum(
      [...terms, ...perceptual, ...identity],
      [
        ...twice(lambdaAdversarial),
        ...twice(lambdaCycle),
        ...twice(lambdaL1),
        ...perceptual.map(() => lambdaPerceptual),
        ...identity.map(() => lambdaIdentity),
      ],
    );
    this.parts.update('G', total, learningRateOf(context));
    const none = () => [tensorFrom(this.gpu, [0], []), tensorFrom(this.gpu, [0], [])];
    return [total, ...terms, ...(this.perceptual ? perceptual : none()), ...identity];
  }
}

export const PROPOSED = methodKind<ProposedOptions>({
  name: 'proposed',
  defaults: (_protocol, size) => ({
    ...PAPER_TRAINING,
    ngf: PROPOSED_DEFAULTS.ngf,
    ndf: PROPOSED_DEFAULTS.ndf,
    levels: defaultLevels(size),
    perceptual: 'vgg',
    dropout: PROPOSED_DEFAULTS.dropout,
    'dropout-site': PROPOSED_DEFAULTS.dropoutSite,
    padding: PROPOSED_DEFAULTS.paddingMode,
    upsample: PROPOSED_DEFAULTS.upsample,
    'spectral-layers': String(PROPOSED_DEFAULTS.spectralLayers),
    smoothing: PROPOSED_DEFAULTS.smoothing,
    fakes: PROPOSED_DEFAULTS.fakes,
    'lambda-adversarial': PROPOSED_DEFAULTS.lambdaAdversarial,
    'lambda-cycle': PROPOSED_DEFAULTS.lambdaCycle,
    'lambda-l1': PROPOSED_DEFAULTS.lambdaL1,
    'lambda-perceptual': PROPOSED_DEFAULTS.lambdaPerceptual,
    'lambda-identity': PROPOSED_DEFAULTS.lambdaIdentity,
    precision: PROPOSED_DEFAULTS.precision,
  }),
  read: (options) => ({
    ngf: options.number('ngf'),
    ndf: options.number('ndf'),
    levels: options.number('levels'),
    dropout: options.number('dropout'),
    dropoutSite: options.choice('dropout-site', DROPOUT_SITES),
    paddingMode: options.choice('padding', PADDING_MODES),
    spectralLayers: options.choice('spectral-layers', ['4', '5']) === '5' ? 5 : 4,
    upsample: options.choice('upsample', UPSAMPLES),
    initialiser: options.choice('init', INITIALISERS),
    smoothing: options.choice('smoothing', ['paper', 'authors-bug']),
    fakes: options.choice('fakes', ['auto', 'reuse', 'recompute']),
    lambdaAdversarial: options.number('lambda-adversarial'),
    lambdaCycle: options.number('lambda-cycle'),
    lambdaL1: options.number('lambda-l1'),
    lambdaPerceptual: options.number('lambda-perceptual'),
    lambdaIdentity: options.number('lambda-identity'),
    beta1: options.number('beta1'),
    beta2: options.number('beta2'),
    seed: options.number('seed'),
    precision: options.choice('precision', PRECISIONS),
  }),
  sizeMultiple: ({ levels }) => 2 ** levels,
  architecture: proposedArchitecture,
  create: (gpu, options, perceptual) => new ProposedMethod(gpu, options, perceptual),
  generator: proposedPlan,
});
