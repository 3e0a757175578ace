/** The enhancing generator of a checkpoint. Browser-safe: nothing here reads files. */
import type { ElementType } from '../../kernels/element-types.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { architectureReader, wrongField } from '../methods/architecture-reader.ts';
import { disposeNetwork, enhancerOf } from '../methods/enhancing.ts';
import { GENERATORS } from '../methods/generators.ts';
import { AVERAGE_PREFIX, ENHANCER_PREFIX, type Enhancer } from '../methods/method.ts';
import type { GeneratorPlan } from '../methods/method-kind.ts';
import { onDemand } from '../on-demand.ts';
import type { Architecture } from './checkpoint-state.ts';
import { restoreNetwork, type TensorMap } from './method-state.ts';

/** Fetched when asked for: a page need not carry it. */
export const enhancerExtras = () =>
  onDemand('the code for f16 and tuning', () => import('./enhancer-extras.ts'));

/**
 * Makes the enhancing generator of a checkpoint.
 * @param tensors of `G_H.safetensors`, by name with the prefix `G_H.`; or of the average,
 *   `G_H_ema.safetensors`
 * @param source what to call the checkpoint in messages
 * @param precision how activations are stored; default f32
 * @throws CheckpointError if the method is unknown, or a tensor is missing or of another shape; GpuError
 *   `unsupported` if the device has no f16, or hides what exceeds it
 */
export async function enhancerFrom(
  gpu: Gpu,
  architecture: Architecture,
  tensors: TensorMap,
  source: string,
  precision: ElementType = 'f32',
): Promise<Enhancer> {
  if (precision !== 'f32') {
    const { checkPrecision } = await enhancerExtras();
    await checkPrecision(gpu, precision);
  }
  const generator = (await generatorPlan(architecture, source)).make(gpu);
  const isAverage = tensors.keys().next().value?.startsWith(AVERAGE_PREFIX) ?? false;
  try {
    generator.parameters.freeze();
    restoreNetwork(generator, isAverage ? AVERAGE_PREFIX : ENHANCER_PREFIX, tensors, source);
  } catch (error) {
    disposeNetwork(generator);
    throw error;
  }
  return enhancerOf(generator, precision);
}

/**
 * The enhancing generator that a checkpoint's architecture describes, not made yet.
 * @throws CheckpointError if the method is unknown or a field is missing or out of range
 */
export async function generatorPlan(
  architecture: Architecture,
  source: string,
): Promise<GeneratorPlan> {
  const reader = GENERATORS.get(architecture.method);
  if (!reader) {
    throw wrongField(architecture, source, 'method', [...GENERATORS.keys()].join(' or '));
  }
  return (await reader())(architectureReader(architecture, source));
}
