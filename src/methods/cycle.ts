/** The terms that methods share whose two generators are tied by cycles and nothing paired. */
import { l1Loss } from '../autograd/ops/losses.ts';
import { weightedSum } from '../autograd/ops/weighted-sum.ts';
import { type Tensor, tensorFrom } from '../autograd/tensor.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { ImagePool } from '../nn/image-pool.ts';
import type { ForwardContext } from '../nn/network.ts';
import type { Batch } from './method.ts';

/** G_H lifts low to high, G_L goes the way back; D_H and D_L judge their domains. */
export type CycleNetworks<Generator, Discriminator> = {
  readonly G_H: Generator;
  readonly G_L: Generator;
  readonly D_H: Discriminator;
  readonly D_L: Discriminator;
};

/** Anything that maps images. */
interface Forward {
  forward(x: Tensor, context: ForwardContext): Tensor;
}

/** What the terms of one step are made of. */
export interface CycleStep {
  readonly networks: CycleNetworks<Forward, Forward>;
  readonly batch: Batch;
  /** H' = G_H(L) and L' = G_L(H). */
  readonly fakes: Batch;
  readonly pass: ForwardContext;
}

/** Names of `[total, ...terms]` of the generators, then of the discriminators. */
export const CYCLE_LOSS_NAMES: readonly string[] = [
  ...['G', 'G_adversarial_H', 'G_adversarial_L', 'G_cycle_H', 'G_cycle_L'],
  ...['G_identity_H', 'G_identity_L'],
  ...['D', 'D_real_H', 'D_fake_H', 'D_real_L', 'D_fake_L'],
];

export function beginCycle(
  networks: CycleStep['networks'],
  batch: Batch,
  pass: ForwardContext,
): CycleStep {
  const { G_H, G_L } = networks;
  const fakes = { high: G_H.forward(batch.low, pass), low: G_L.forward(batch.high, pass) };
  return { networks, batch, fakes, pass };
}

/**
 * adversarial(D_H(H')) + adversarial(D_L(L')) + λ_cycle [|H-H̄| + |L-L̄|]
 * + λ_identity [|G_H(H)-H| + |G_L(L)-L|], with H̄ = G_H(L'), L̄ = G_L(H').
 * @returns the six terms unweighted; those of the identity are 0 where λ_identity is
 */
export function cycleGeneratorLoss(
  { networks, batch, fakes, pass }: CycleStep,
  options: { readonly lambdaCycle: number; readonly lambdaIdentity: number },
  adversarial: (logits: Tensor) => Tensor,
): { readonly total: Tensor; readonly terms: readonly Tensor[] } {
  const { G_H, G_L, D_H, D_L } = networks;
  const { lambdaCycle, lambdaIdentity } = options;
  const terms = [
    adversarial(D_H.forward(fakes.high, pass)),
    adversarial(D_L.forward(fakes.low, pass)),
    l1Loss(G_H.forward(fakes.low, pass), batch.high),
    l1Loss(G_L.forward(fakes.high, pass), batch.low),
  ];
  const weights = [1, 1, lambdaCycle, lambdaCycle];
  if (lambdaIdentity > 0) {
    terms.push(l1Loss(G_H.forward(batch.high, pass), batch.high));
    terms.push(l1Loss(G_L.forward(batch.low, pass), batch.low));
    weights.push(lambdaIdentity, lambdaIdentity);
  }
  const total = weightedSum(terms, weights);
  while (terms.length < 6) terms.push(tensorFrom(total.gpu, [0], []));
  return { total, terms };
}

/**
 * Σ over domains of ½ [onReal(D(real)) + onFake(D(fake))].
 * @param shown the fakes to judge, without history
 * @returns the four terms unweighted: real_H, fake_H, real_L, fake_L
 */
export function cycleDiscriminatorLoss(
  { networks, batch, pass }: CycleStep,
  shown: Batch,
  onReal: (logits: Tensor) => Tensor,
  onFake: (logits: Tensor) => Tensor,
): { readonly total: Tensor; readonly terms: readonly Tensor[] } {
  const { D_H, D_L } = networks;
  const terms = [
    onReal(D_H.forward(batch.high, pass)),
    onFake(D_H.forward(shown.high, pass)),
    onReal(D_L.forward(batch.low, pass)),
    onFake(D_L.forward(shown.low, pass)),
  ];
  return { total: weightedSum(terms, [0.5, 0.5, 0.5, 0.5]), terms };
}

/** A pool of earlier fakes for each domain. */
export class CyclePools {
  /** As `Method.pools`. */
  readonly byDomain: ReadonlyMap<string, ImagePool>;
  private readonly high: ImagePool;
  private readonly low: ImagePool;

  constructor(gpu: Gpu, { poolSize, seed }: { readonly poolSize: number; readonly seed: number }) {
    this.high = new ImagePool(gpu, poolSize, seed, 'H');
    this.low = new ImagePool(gpu, poolSize, seed, 'L');
    this.byDomain = new Map([
      ['H', this.high],
      ['L', this.low],
    ]);
  }

  /** Exchanges new fakes for what the discriminators are to see. */
  exchange(fakes: Batch, step: number): Batch {
    return { high: this.high.exchange(fakes.high, step), low: this.low.exchange(fakes.low, step) };
  }
}
