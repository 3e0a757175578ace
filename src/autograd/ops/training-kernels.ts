import { activationKey } from '../../../kernels/activation.ts';
import { batchNormBackward, batchNormSums } from '../../../kernels/batch-norm.ts';
import { biasGradient } from '../../../kernels/conv2d/bias-gradient.ts';
import type { ConvolutionRequest } from '../../../kernels/conv2d/convolution-request.ts';
import { NO_EPILOGUE } from '../../../kernels/conv2d/epilogue.ts';
import { gatedGradient, isGateable } from '../../../kernels/conv2d/folded-taps.ts';
import { geometryKey } from '../../../kernels/conv2d/geometry.ts';
import { GRADIENT_WAYS } from '../../../kernels/conv2d/gradient-ways.ts';
import { typesKey } from '../../../kernels/conv2d/shape-class.ts';
import { instanceNormBackward } from '../../../kernels/instance-norm.ts';
import { resizeBackward } from '../../../kernels/resize.ts';
import type { TrainingKernels } from '../graph.ts';
import { rememberedPlan } from '../remembered-plan.ts';
import { emptyLike, emptyTensor, runPlan, sizeOf, Tensor } from '../tensor.ts';
import { planFor, sliceOf } from './convolution-plans.ts';

/*
 * What ops are given by `backward`, instead of importing it: pages that only enhance do not carry it.
 */

export const TRAINING_KERNELS: TrainingKernels = {
  inputGradient(geometry, x, dy, weight, target, gate) {
    const { gpu } = weight;
    const accumulate = target?.filled ?? false;
    const slice = dy instanceof Tensor ? undefined : sliceOf(dy);
    const dx = target && accumulate ? target.tensor : emptyLike(x);
    const source = dy instanceof Tensor ? dy : dy.tensor;
    const request: ConvolutionRequest = {
      pass: 'data-gradient',
      geometry,
      epilogue: NO_EPILOGUE,
      slice,
      accumulate,
      isFrozen: weight.storage.constant,
      elementTypes: [dx.elementType, source.elementType],
      gradients: GRADIENT_WAYS,
    };
    const plan = planFor(gpu, request);
    const inputs = [source, weight];
    if (!gate || target || slice || !isGateable(plan)) {
      runPlan(plan, inputs, [dx]);
      return dx;
    }
    const { activation, output } = gate;
    const key = `gated ${activationKey(activation)}${geometryKey(geometry)}${typesKey(request)}`;
    const gated = rememberedPlan(gpu, key, () =>
      gatedGradient(plan, geometry, gpu.profile, activation),
    );
    runPlan(gated, [...inputs, output], [dx]);
    gate.applied = true;
    return dx;
  },

  weightGradient(geometry, shape, x, dy, target) {
    const accumulate = target?.filled ?? false;
    const dw = target?.tensor ?? emptyTensor(x.gpu, shape);
    const plan = planFor(x.gpu, {
      pass: 'weight-gradient',
      geometry,
      epilogue: NO_EPILOGUE,
      accumulate,
      elementTypes: [x.elementType, dy.elementType],
      gradients: GRADIENT_WAYS,
    });
    runPlan(plan, [x, dy], [dw]);
    return dw;
  },

  biasGradient(dy, target) {
    const [batch, channels, ...extents] = dy.shape;
    const db = target?.tensor ?? emptyTensor(dy.gpu, [channels]);
    const accumulate = target?.filled ?? false;
    const pixels = sizeOf(extents);
    const key = `bias${accumulate ? '+' : ''}${batch}x${channels}x${pixels}`;
    const plan = rememberedPlan(dy.gpu, key, () =>
      biasGradient(batch, channels, pixels, accumulate),
    );
    runPlan(plan, [dy], [db]);
    return db;
  },

  batchNormSums,
  batchNormBackward,
  instanceNormBackward,
  resizeBackward,
};
