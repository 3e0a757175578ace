/** Apart from the other generators, because its transformer is as large as all of them together. */
import { RandomStream } from '../autograd/philox.ts';
import { MspganGenerator } from '../nn/mspgan-generator.ts';
import { type ArchitectureReader, upsampleOf } from './architecture-reader.ts';
import type { GeneratorPlan } from './method-kind.ts';

/** The generator of the reconstructed MSPGAN. */
export function mspganPlan(architecture: ArchitectureReader): GeneratorPlan {
  const options = {
    inChannels: 1,
    outChannels: 1,
    ngf: architecture.whole('ngf', 4096),
    blocks: architecture.whole('blocks', 64),
    layers: architecture.whole('layers', 64),
    heads: architecture.whole('heads', 64),
    positions: architecture.whole('positions', 512),
    upsample: upsampleOf(architecture),
    initialiser: 'default',
  } as const;
  return {
    sizeMultiple: MspganGenerator.SIZE_MULTIPLE,
    make: (gpu) => new MspganGenerator(gpu, options, new RandomStream(0, 'overwritten')),
  };
}
