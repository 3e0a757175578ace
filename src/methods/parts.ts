/** What the methods' classes share: making, updating and releasing networks. */

import { backward } from '../autograd/backward.ts';
import { RandomStream } from '../autograd/philox.ts';
import type { Tensor } from '../autograd/tensor.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { Adam, type AdamOptions, type LearningRate } from '../nn/adam.ts';
import { LossScaler } from '../nn/loss-scaler.ts';
import type { Network } from '../nn/network.ts';
import { disposeNetwork } from './enhancing.ts';
import type { Method } from './method.ts';
import { type Precision, requirePrecision } from './precision.ts';

/** All parameters of some networks, to differentiate by. */
export function parametersOf(...networks: readonly Network[]): Tensor[] {
  return networks.flatMap((network) => network.parameters.all());
}

/** One Adam over the networks of these prefixes. */
export function adamOver(
  gpu: Gpu,
  networks: ReadonlyMap<string, Network>,
  prefixes: readonly string[],
  options: AdamOptions,
): Adam {
  const chosen = [...networks].filter(([prefix]) => prefixes.includes(prefix));
  const { beta1, beta2 } = options;
  return new Adam(gpu, new Map(chosen.map(([prefix, { parameters }]) => [prefix, parameters])), {
    beta1,
    beta2,
  });
}

/** A loss scale of each name under f16, none under f32. */
export function scalersFor(
  gpu: Gpu,
  precision: Precision,
  names: Iterable<string>,
): ReadonlyMap<string, LossScaler> {
  if (precision === 'f32') return new Map();
  return new Map([...names].map((name) => [name, new LossScaler(gpu)]));
}

/**
 * Differentiates a loss, then updates one optimiser's parameters after the other; with a scaler all of them
 * or, if a gradient is not finite, none.
 */
export function differentiateAndStep(
  loss: Tensor,
  parameters: readonly Tensor[],
  update: {
    readonly optimisers: readonly Adam[];
    readonly scaler: LossScaler | undefined;
    readonly learningRate: LearningRate;
  },
): void {
  const { optimisers, scaler, learningRate } = update;
  backward(loss, parameters, scaler?.cotangent());
  if (scaler) scaler.update(optimisers, learningRate);
  else for (const optimiser of optimisers) optimiser.step(learningRate);
}

/** A method's networks by name: `G_H`, `D_L`, … */
type NetworksByName = Readonly<Record<string, Network | undefined>>;

/** How each of them is made from a random stream of its own. */
type Makers<Networks extends NetworksByName> = {
  readonly [Name in keyof Networks]: (random: RandomStream) => NonNullable<Networks[Name]>;
};

/**
 * Networks with their optimisers: one Adam for all networks of a kind, the kind being the first letter
 * of their names (generators G, discriminators D, registration R).
 */
export class Assembly<Networks extends NetworksByName> {
  readonly byName: Networks;
  /** By state-dict prefix, as `Method.networks`. */
  readonly networks: ReadonlyMap<string, Network>;
  /** By kind, as `Method.optimisers`. */
  readonly optimisers: ReadonlyMap<string, Adam>;

  /** As `Method.scalers`; empty under `f32`. */
  readonly scalers: ReadonlyMap<string, LossScaler>;

  /**
   * @param makers in the order of checkpoints and logs
   * @throws GpuError `unsupported` if the device cannot store activations as asked
   */
  constructor(
    gpu: Gpu,
    {
      seed,
      beta1,
      beta2,
      precision,
    }: { readonly seed: number; readonly precision: Precision } & AdamOptions,
    makers: Makers<Networks>,
  ) {
    requirePrecision(gpu, precision);
    const made = Object.entries(makers).map(
      ([name, make]) => [name, make(new RandomStream(seed, name))] as const,
    );
    // Object.entries forgets which name has which type.
    this.byName = Object.fromEntries(made) as unknown as Networks;
    this.networks = new Map(made.map(([name, network]) => [`${name}.`, network]));
    const kinds = new Set(made.map(([name]) => name[0]));
    this.optimisers = new Map(
      [...kinds].map((kind) => {
        const prefixes = this.ofKinds(kind).map(([prefix]) => prefix);
        return [kind, adamOver(gpu, this.networks, prefixes, { beta1, beta2 })];
      }),
    );
    this.scalers = scalersFor(gpu, precision, new Set([...kinds].map(scalerOf)));
  }

  /**
   * Differentiates a loss by all networks of some kinds, then updates one kind after the other; under f16,
   * all of them or, if a gradient is not finite, none.
   * @param kinds their letters, for example `G` or `RG`
   */
  update(kinds: string, loss: Tensor, learningRate: LearningRate): void {
    const parameters = parametersOf(...this.ofKinds(kinds).map(([, network]) => network));
    const optimisers = [...kinds].flatMap((kind) => this.optimisers.get(kind) ?? []);
    differentiateAndStep(loss, parameters, {
      optimisers,
      scaler: this.scalers.get(scalerOf(kinds)),
      learningRate,
    });
  }

  private ofKinds(kinds: string): [string, Network][] {
    return [...this.networks].filter(([prefix]) => kinds.includes(prefix[0]));
  }
}

/** One loss scale for discriminators, one for all others: those of a loss share it. */
const scalerOf = (kinds: string): string => (kinds === 'D' ? 'D' : 'G');

/** Releases everything that a method keeps on its device. */
export function disposeParts({ networks, optimisers, scalers, pools }: Method): void {
  for (const network of networks.values()) disposeNetwork(network);
  for (const optimiser of optimisers.values()) optimiser.dispose();
  for (const scaler of scalers?.values() ?? []) scaler.dispose();
  for (const pool of pools.values()) pool.dispose();
}
