/** What the methods' classes share: collecting, updating and releasing networks. */

import { noGrad } from '../autograd/tape.ts';
import type { Tensor } from '../autograd/tensor.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { Adam, type AdamOptions } from '../nn/adam.ts';
import { EVALUATION, type Network } from '../nn/network.ts';
import type { Enhancer, Generator, Method } from './method.ts';

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

/** Lifts with a generator in evaluation mode: nothing is drawn, no state changes. */
export function enhanceWith(generator: Generator, low: Tensor): Tensor {
  return noGrad(() => generator.forward(low, EVALUATION));
}

export function disposeNetwork(network: Network): void {
  network.parameters.dispose();
  for (const buffer of network.buffers.values()) buffer.dispose();
}

/** Releases everything that a method keeps on its device. */
export function disposeParts({ networks, optimisers, pools }: Method): void {
  for (const network of networks.values()) disposeNetwork(network);
  for (const optimiser of optimisers.values()) optimiser.dispose();
  for (const pool of pools.values()) pool.dispose();
}

/** A generator on its own, without the method that trained it. */
export function enhancerOf(generator: Generator): Enhancer {
  return {
    sizeMultiple: generator.sizeMultiple,
    enhance: (low) => enhanceWith(generator, low),
    dispose: () => disposeNetwork(generator),
  };
}
