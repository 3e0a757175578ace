/** What enhancing needs of a method, apart from what training does (`parts.ts`). */
import type { ElementType } from '../../kernels/element-types.ts';
import { noGrad } from '../autograd/tape.ts';
import type { Tensor } from '../autograd/tensor.ts';
import { EVALUATION, type Network } from '../nn/network.ts';
import type { Enhancer, Generator } from './method.ts';

/** Lifts with a generator in evaluation mode: nothing is drawn, no state changes. */
export function enhanceWith(
  generator: Generator,
  low: Tensor,
  precision: ElementType = 'f32',
): Tensor {
  return noGrad(() => generator.forward(low, { ...EVALUATION, precision }));
}

export function disposeNetwork(network: Network): void {
  network.parameters.dispose();
  for (const buffer of network.buffers.values()) buffer.dispose();
  for (const arena of network.arenas ?? []) network.parameters.gpu.dispose(arena);
}

/**
 * A generator on its own, without the method that trained it.
 * @param precision how activations are stored
 */
export function enhancerOf(generator: Generator, precision: ElementType): Enhancer {
  return {
    sizeMultiple: generator.sizeMultiple,
    enhance: (low) => enhanceWith(generator, low, precision),
    dispose: () => disposeNetwork(generator),
  };
}
