import { multiply } from '../autograd/ops/arithmetic.ts';
import { l1Loss, mseToScalar } from '../autograd/ops/losses.ts';
import { weightedSum } from '../autograd/ops/weighted-sum.ts';
import { RandomStream } from '../autograd/philox.ts';
import { type Regions, uploadRegions } from '../autograd/regions.ts';
import { formatShape, Tensor } from '../autograd/tensor.ts';
import { resizeLabels } from '../data/slic.ts';
import { type LabelSource, SlicLabels } from '../data/superpixels.ts';
import { UsageError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type Moment, oncePerMoment } from '../gpu/moment.ts';
import type { Adam } from '../nn/adam.ts';
import { averageInto, warmedDecay } from '../nn/exponential-average.ts';
import { INITIALISERS, type InitialiserName } from '../nn/initialisers.ts';
import type { LossScaler } from '../nn/loss-scaler.ts';
import { askTeacher, consistency, consistencyWeight } from '../nn/mean-teacher.ts';
import { MspganGenerator } from '../nn/mspgan-generator.ts';
import type { ForwardContext, Network } from '../nn/network.ts';
import { PatchGan } from '../nn/patchgan-basic.ts';
import { ProjectionHeads, superpixelContrast } from '../nn/superpixel-contrast.ts';
import { UPSAMPLES, type Upsample } from '../nn/upsample.ts';
import { enhanceWith } from './enhancing.ts';
import {
  type Batch,
  ENHANCER_PREFIX,
  learningRateOf,
  type Method,
  type StepContext,
  trainingPasses,
} from './method.ts';
import { methodKind, type OptionReader, PAPER_TRAINING, PIX2PIX_TRAINING } from './method-kind.ts';
import { mspganPlan } from './mspgan-plan.ts';
import { adamOver, differentiateAndStep, disposeParts, parametersOf, scalersFor } from './parts.ts';
import { PRECISIONS, type Precision, requirePrecision } from './precision.ts';

export interface MspganOptions {
  readonly ngf: number;
  readonly ndf: number;
  /** Residual blocks before the transformer, and again behind it. */
  readonly blocks: number;
  readonly layers: number;
  readonly heads: number;
  /** Side of the map of learned positions, an eighth of the images'. */
  readonly positions: number;
  readonly upsample: Upsample;
  /** Width of the contrastive term's MLPs. */
  readonly smcWidth: number;
  readonly initialiser: InitialiserName;
  /** About how many superpixels an image is cut into. */
  readonly superpixels: number;
  readonly lambdaSmc: number;
  readonly lambdaTsc: number;
  /** Steps over which the consistency term comes in; 0 for the first 40 % of the run. */
  readonly rampSteps: number;
  /** Whether the fake is also held against its own high-quality image. */
  readonly pairedL1: boolean;
  /** Weight of that, if so. */
  readonly lambdaL1: number;
  /** Weight of |G_H(H) - H|; 0, the reconstruction's, leaves the term out. */
  readonly lambdaIdentity: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly seed: number;
  /** How activations of the generators and the discriminator are stored. */
  readonly precision: Precision;
}

const TEMPERATURE = 0.07;
const COMPACTNESS = 10;
const RAMP_SHARE = 0.4;
const TEACHER_DECAY = 0.999;
const TEACHER = { passes: 4, noise: 0.05, kept: 0.75 } as const;
/** Halvings of the label map for the encoder's three scales. */
const SCALES = [1, 2, 4] as const;

/**
 * MSPGAN, reconstructed: of the multilevel structure-preserved GAN (Xia et al. 2022) neither code nor settings
 * are public, only that it preserves structure at three levels. One generator (low to high), one PatchGAN:
 *
 *     global   a vision transformer in the middle of G
 *     local    SMC: superpixels of G(L) are told apart by those of L at the same place (`superpixelContrast`)
 *     fine     TSC: G(L) is held to a teacher, the moving average of G, where that is sure (`askTeacher`)
 *
 * D first: ½ [MSE(D(H),1) + MSE(D(G(L)),0)]. Then G with the contrastive MLPs F, D frozen:
 *
 *     MSE(D(G(L)),1) + λ_smc SMC + w(t) TSC + [λ_l1 |G(L) - H| with pairedL1] + λ_identity |G(H) - H|
 *
 * then the teacher follows. Order and contrast after contrastive-unpaired-translation `models/cut_model.py`.
 */
export class MspganMethod implements Method {
  readonly name = 'mspgan';
  readonly lossNames: readonly string[];
  readonly options: MspganOptions;
  readonly networks: ReadonlyMap<string, Network>;
  readonly optimisers: ReadonlyMap<string, Adam>;
  readonly scalers: ReadonlyMap<string, LossScaler>;
  readonly pools: Method['pools'] = new Map();
  readonly isReplayable = true;
  private readonly gpu: Gpu;
  private readonly labels: LabelSource;
  private readonly generator: MspganGenerator;
  private readonly teacher: MspganGenerator;
  private readonly discriminator: PatchGan;
  private readonly projections: ProjectionHeads;
  private readonly generatorOptimiser: Adam;
  private readonly discriminatorOptimiser: Adam;

  /**
   * @param labels what cuts images into superpixels; default SLIC
   * @throws UsageError if an option is out of range; GpuError `unsupported` if the device cannot store
   *   activations as asked
   */
  constructor(gpu: Gpu, options: MspganOptions, labels?: LabelSource) {
    requirePrecision(gpu, options.precision);
    this.gpu = gpu;
    this.options = options;
    const { seed, ngf, superpixels, smcWidth, initialiser, pairedL1, lambdaIdentity } = options;
    const stream = (name: string) => new RandomStream(seed, name);
    const sides = { inChannels: 1, outChannels: 1 };
    this.labels = labels ?? new SlicLabels({ segments: superpixels, compactness: COMPACTNESS });
    this.generator = new MspganGenerator(gpu, { ...options, ...sides }, stream('G_H'));
    // The same stream: the teacher begins as the generator.
    this.teacher = new MspganGenerator(gpu, { ...options, ...sides }, stream('G_H'));
    this.teacher.parameters.freeze();
    this.discriminator = new PatchGan(
      gpu,
      { ...options, inChannels: 1, norm: 'instance' },
      stream('D_H'),
    );
    this.projections = new ProjectionHeads(
      gpu,
      { channels: SCALES.map((scale) => scale * ngf), width: smcWidth, initialiser },
      stream('F'),
    );
    this.networks = new Map<string, Network>([
      [ENHANCER_PREFIX, this.generator],
      ['D_H.', this.discriminator],
      ['F.', this.projections],
      ['T_H.', this.teacher],
    ]);
    this.generatorOptimiser = adamOver(gpu, this.networks, [ENHANCER_PREFIX, 'F.'], options);
    this.discriminatorOptimiser = adamOver(gpu, this.networks, ['D_H.'], options);
    this.optimisers = new Map([
      ['G', this.generatorOptimiser],
      ['D', this.discriminatorOptimiser],
    ]);
    this.scalers = scalersFor(gpu, options.precision, this.optimisers.keys());
    this.lossNames = [
      ...['G', 'G_adversarial_H', 'G_smc_H', 'G_tsc_H'],
      ...(pairedL1 ? ['G_l1_H'] : []),
      ...(lambdaIdentity > 0 ? ['G_identity_H'] : []),
      ...['tsc_weight', 'D', 'D_real_H', 'D_fake_H'],
    ];
  }

  get sizeMultiple(): number {
    return this.generator.sizeMultiple;
  }

  /** @throws UsageError unless the batch has its low images on the host, and the run's length is known */
  trainStep(batch: Batch, context: StepContext): Tensor[] {
    const regions = this.superpixelsOf(batch);
    const { seed, precision } = this.options;
    const pass = trainingPasses(seed, context.step, precision)(0);
    const source = this.generator.encode(batch.low, pass);
    const fake = this.generator.decode(source);
    const discriminatorLosses = this.discriminatorStep(batch, fake, context, pass);
    const generatorLosses = this.generatorStep(batch, source, fake, regions, context, pass);
    averageInto(this.teacher, this.generator, (moment = context) =>
      warmedDecay(TEACHER_DECAY, moment.step),
    );
    return [...generatorLosses, ...discriminatorLosses];
  }

  enhance(low: Tensor): Tensor {
    return enhanceWith(this.generator, low);
  }

  dispose(): void {
    disposeParts(this);
  }

  /** Updates D_H; returns [D, real_H, fake_H]. */
  private discriminatorStep(
    batch: Batch,
    fake: Tensor,
    context: StepContext,
    pass: ForwardContext,
  ): Tensor[] {
    const terms = [
      mseToScalar(this.discriminator.forward(batch.high, pass), 1),
      mseToScalar(this.discriminator.forward(fake.detach(), pass), 0),
    ];
    const total = weightedSum(terms, [0.5, 0.5]);
    differentiateAndStep(total, parametersOf(this.discriminator), {
      optimisers: [this.discriminatorOptimiser],
      scaler: this.scalers.get('D'),
      learningRate: learningRateOf(context),
    });
    return [total, ...terms];
  }

  /** Updates G_H and F; returns the total, its terms unweighted, and the weight of the consistency. */
  private generatorStep(
    batch: Batch,
    source: readonly Tensor[],
    fake: Tensor,
    regions: readonly Regions[],
    context: StepContext,
    pass: ForwardContext,
  ): Tensor[] {
    const { seed, lambdaSmc, lambdaTsc, lambdaL1, lambdaIdentity, pairedL1 } = this.options;
    const { step } = context;
    const translated = this.generator.encode(fake, pass);
    const smc = superpixelContrast(this.projections, translated, source, regions, TEMPERATURE);
    const ask = (x: Tensor): Tensor => this.teacher.forward(x, pass);
    const opinion = askTeacher(ask, batch.low, TEACHER, { seed, step });
    const tsc = consistency(fake, opinion);
    // On the device, since it differs from step to step and weights of sums are compiled into kernels.
    const ramp = this.rampOf(context);
    const weight = new Tensor(
      this.gpu,
      [],
      this.gpu.uploadEachTime((moment = context) =>
        Float32Array.of(consistencyWeight(lambdaTsc, moment.step, ramp)),
      ),
    );
    const adversarial = mseToScalar(this.discriminator.forward(fake, pass), 1);
    const paired = pairedL1 ? [l1Loss(fake, batch.high)] : [];
    const identity =
      lambdaIdentity > 0 ? [l1Loss(this.generator.forward(batch.high, pass), batch.high)] : [];
    const total = weightedSum(
      [adversarial, smc, multiply(tsc, weight), ...paired, ...identity],
      [1, lambdaSmc, 1, ...paired.map(() => lambdaL1), ...identity.map(() => lambdaIdentity)],
    );
    differentiateAndStep(total, parametersOf(this.generator, this.projections), {
      optimisers: [this.generatorOptimiser],
      scaler: this.scalers.get('G'),
      learningRate: learningRateOf(context),
    });
    return [total, adversarial, smc, tsc, ...paired, ...identity, weight];
  }

  private rampOf({ plannedSteps }: StepContext): number {
    const { rampSteps } = this.options;
    if (rampSteps > 0) return rampSteps;
    if (plannedSteps === undefined) {
      throw new UsageError(
        "mspgan: the consistency term rises over 40 % of a run: expected the run's length or rampSteps, found neither",
      );
    }
    return RAMP_SHARE * plannedSteps;
  }

  /** The low images' superpixels at every scale of the encoder. */
  private superpixelsOf({ low, hostLow }: Batch): Regions[] {
    if (hostLow?.length !== low.size) {
      throw new UsageError(
        `mspgan: superpixels are made on the host: expected the values of the low images ${formatShape(low.shape)} there, found ${hostLow?.length ?? 'none'}`,
      );
    }
    const [images, , height, width] = low.shape;
    const pixels = height * width;
    // A step that is replayed has images of its own.
    const mapsAt = oncePerMoment((moment) => {
      const values = moment?.hostLow ?? hostLow;
      return Array.from({ length: images }, (_, image) =>
        this.labels.labels(values.subarray(image * pixels, (image + 1) * pixels), width, height),
      );
    });
    const capacity = this.labels.capacity(width, height);
    return SCALES.map((scale) => {
      const size = [height / scale, width / scale] as const;
      const labelsAt = (moment?: Moment): Uint16Array => {
        const labels = new Uint16Array((images * pixels) / scale ** 2);
        mapsAt(moment).forEach((map, image) => {
          labels.set(resizeLabels(map, [height, width], size), image * size[0] * size[1]);
        });
        return labels;
      };
      return uploadRegions(this.gpu, labelsAt, [images, ...size], capacity);
    });
  }
}

/** 256 superpixels at 256 pixels; fewer, of as many pixels each, in smaller images. */
function defaultSuperpixels(size: number): number {
  return Math.min(256, Math.max(16, Math.round(size / 16) ** 2));
}

/** @throws UsageError if a paired loss is asked for without pairs */
function readPairedL1(options: OptionReader): boolean {
  const isPaired = options.choice('paired-l1', ['on', 'off']) === 'on';
  if (isPaired && options.choice('pairing', ['aligned', 'unaligned']) === 'unaligned') {
    throw new UsageError(
      '--paired-l1 on: holds each fake against its own high-quality image, and needs --pairing aligned',
    );
  }
  return isPaired;
}

export const MSPGAN = methodKind<MspganOptions>({
  name: 'mspgan',
  label: 'mspgan (reconstructed)',
  defaults: (protocol, size) => ({
    ...(protocol === 'paper' ? PAPER_TRAINING : PIX2PIX_TRAINING),
    // The paper's figures for MSPGAN are those of a paired method; the publication's method is unpaired.
    pairing: protocol === 'paper' ? 'aligned' : 'unaligned',
    'paired-l1': protocol === 'paper' ? 'on' : 'off',
    ngf: 64,
    ndf: 64,
    blocks: 4,
    layers: 4,
    heads: 8,
    upsample: 'transposed',
    superpixels: defaultSuperpixels(size),
    'smc-width': 256,
    'lambda-smc': 1,
    'lambda-tsc': 10,
    'lambda-l1': 100,
    'lambda-identity': 0,
    'ramp-steps': 0,
    precision: 'f32',
  }),
  unused: (options) => ({
    names: options.choice('paired-l1', ['on', 'off']) === 'on' ? [] : ['lambda-l1'],
    because: '--method mspgan --paired-l1 off',
  }),
  read: (options) => ({
    ngf: options.number('ngf'),
    ndf: options.number('ndf'),
    blocks: options.number('blocks'),
    layers: options.number('layers'),
    heads: options.number('heads'),
    // A size that is no multiple is refused by name afterwards.
    positions: Math.max(1, Math.floor(options.number('size') / MspganGenerator.SIZE_MULTIPLE)),
    upsample: options.choice('upsample', UPSAMPLES),
    smcWidth: options.number('smc-width'),
    initialiser: options.choice('init', INITIALISERS),
    superpixels: options.number('superpixels'),
    lambdaSmc: options.number('lambda-smc'),
    lambdaTsc: options.number('lambda-tsc'),
    rampSteps: options.number('ramp-steps'),
    pairedL1: readPairedL1(options),
    lambdaL1: options.number('lambda-l1'),
    lambdaIdentity: options.number('lambda-identity'),
    beta1: options.number('beta1'),
    beta2: options.number('beta2'),
    seed: options.number('seed'),
    precision: options.choice('precision', PRECISIONS),
  }),
  sizeMultiple: () => MspganGenerator.SIZE_MULTIPLE,
  architecture: ({ ngf, ndf, blocks, layers, heads, positions, upsample, smcWidth }) => ({
    method: 'mspgan',
    channels: 1,
    ngf,
    ndf,
    blocks,
    layers,
    heads,
    positions,
    upsample,
    smcWidth,
  }),
  create: (gpu, options) => new MspganMethod(gpu, options),
  generator: mspganPlan,
});
