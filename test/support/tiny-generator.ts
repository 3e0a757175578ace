import { RandomStream } from '../../src/autograd/philox.ts';
import type { GrayImage } from '../../src/data/image.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import {
  PROPOSED_DEFAULTS,
  ProposedMethod,
  proposedArchitecture,
} from '../../src/methods/proposed.ts';
import { serializeSafetensors } from '../../src/nn/safetensors.ts';
import { architectureMetadata } from '../../src/run/architecture-metadata.ts';
import type { Architecture } from '../../src/run/checkpoint-state.ts';
import { methodTensors, type TensorMap } from '../../src/run/method-state.ts';

/** An untrained generator of width 2 with four halvings, as a checkpoint holds it. */
export interface TinyGenerator {
  readonly architecture: Architecture;
  readonly tensors: TensorMap;
  /** `G_H.safetensors`, saying what it is. */
  readonly bytes: Uint8Array;
}

export async function tinyGenerator(gpu: Gpu, seed = 5): Promise<TinyGenerator> {
  const options = { ngf: 2, ndf: 2, levels: 4, lambdaPerceptual: 0, seed };
  const method = new ProposedMethod(gpu, { ...PROPOSED_DEFAULTS, ...options });
  const architecture = proposedArchitecture(method.options);
  const { G_H: tensors } = await methodTensors(method);
  method.dispose();
  const bytes = serializeSafetensors(tensors, architectureMetadata(architecture));
  return { architecture, tensors, bytes };
}

/** Random pixels in [0,1]. */
export function randomImage(width: number, height: number, seed = 3): GrayImage {
  const random = new RandomStream(seed, 'image');
  const data = new Float32Array(width * height).map(() => random.uniform());
  return { width, height, data };
}

/** Largest difference of two arrays; infinite where lengths differ or a value is not a number. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i] - b[i]);
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Infinity : difference;
  }
  return largest;
}
