import type { ElementType } from '../../kernels/element-types.ts';
import { noGrad } from '../autograd/tape.ts';
import { tensorFrom } from '../autograd/tensor.ts';
import { tuneConvolutions } from '../autograd/tuning/tune.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { EVALUATION } from '../nn/network.ts';
import type { Architecture } from './checkpoint-state.ts';
import { paddedSize } from './enhance-image.ts';
import { generatorPlan } from './enhancer.ts';

/** Images that will be enhanced together, of one size. */
export interface ImageSize {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
}

/**
 * Chooses the kernels of a generator, storing activations as it will, for images of the given sizes, as
 * `gpu.tuning` says. Browser-safe.
 * @param also records whatever else the program does
 */
export async function tuneEnhancer(
  gpu: Gpu,
  { architecture, precision }: { architecture: Architecture; precision: ElementType },
  sizes: readonly ImageSize[],
  log: (line: string) => void,
  also?: (blank: Gpu) => void,
): Promise<void> {
  const plan = await generatorPlan(architecture, 'generator');
  const record = (blank: Gpu): void => {
    const generator = plan.make(blank);
    for (const { batch, ...size } of sizes) {
      const { height, width } = paddedSize(size, plan.sizeMultiple);
      const image = new Float32Array(batch * height * width);
      blank.scope(() =>
        noGrad(() => {
          const low = tensorFrom(blank, image, [batch, 1, height, width]);
          generator.forward(low, { ...EVALUATION, precision });
        }),
      );
    }
    also?.(blank);
  };
  await tuneConvolutions(gpu, record, { log });
}
