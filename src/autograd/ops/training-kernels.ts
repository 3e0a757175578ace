import { biasGradient } from '../../../kernels/conv2d/bias-gradient.ts';
import { NO_EPILOGUE } from '../../../kernels/conv2d/epilogue.ts';
import type { ConvGeometry } from '../../../kernels/conv2d/geometry.ts';
import { WEIGHT_GRADIENT_WAYS } from '../../../kernels/conv2d/weight-gradient-ways.ts';
import type { GradientSlot } from '../parameter.ts';
import { rememberedPlan } from '../remembered-plan.ts';
import { emptyTensor, runPlan, type Shape, sizeOf, type Tensor } from '../tensor.ts';
import { planFor } from './convolution-plans.ts';

/*
 * What ops are given by `backward`, instead of importing it: pages that only enhance do not carry it.
 */

/** dw of a convolution with input x and output cotangent dy, straight into `target` if there is one. */
function runWeightGradient(
  geometry: ConvGeometry,
  shape: Shape,
  x: Tensor,
  dy: Tensor,
  target?: GradientSlot,
): Tensor {
  const accumulate = target?.filled ?? false;
  const dw = target?.tensor ?? emptyTensor(x.gpu, shape);
  const plan = planFor(x.gpu, {
    pass: 'weight-gradient',
    geometry,
    epilogue: NO_EPILOGUE,
    accumulate,
    weightGradients: WEIGHT_GRADIENT_WAYS,
  });
  runPlan(plan, [x, dy], [dw]);
  return dw;
}

/** db[o] = Σ dy[n,o,…], straight into `target` if there is one. */
function runBiasGradient(dy: Tensor, target?: GradientSlot): Tensor {
  const [batch, channels, ...extents] = dy.shape;
  const db = target?.tensor ?? emptyTensor(dy.gpu, [channels]);
  const accumulate = target?.filled ?? false;
  const pixels = sizeOf(extents);
  const key = `bias${accumulate ? '+' : ''}${batch}x${channels}x${pixels}`;
  const plan = rememberedPlan(dy.gpu, key, () => biasGradient(batch, channels, pixels, accumulate));
  runPlan(plan, [dy], [db]);
  return db;
}

export interface TrainingKernels {
  readonly weightGradient: typeof runWeightGradient;
  readonly biasGradient: typeof runBiasGradient;
}

export const TRAINING_KERNELS: TrainingKernels = {
  weightGradient: runWeightGradient,
  biasGradient: runBiasGradient,
};
