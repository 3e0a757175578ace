import { type Activation, activationKey } from '../../../kernels/activation.ts';
import type { ConvolutionRequest } from '../../../kernels/conv2d/convolution-request.ts';
import { type Epilogue, NO_EPILOGUE } from '../../../kernels/conv2d/epilogue.ts';
import {
  type ChannelSlice,
  type ConvGeometry,
  geometryKey,
} from '../../../kernels/conv2d/geometry.ts';
import { shapeClass, typesKey } from '../../../kernels/conv2d/shape-class.ts';
import { convolutionVariants } from '../../../kernels/conv2d/variants.ts';
import type { ElementType } from '../../../kernels/element-types.ts';
import { elementwiseActivationGradient } from '../../../kernels/elementwise.ts';
import type { Plan } from '../../../kernels/kernel.ts';
import type { Gpu } from '../../gpu/gpu.ts';
import { rememberedPlan } from '../remembered-plan.ts';
import {
  emptyLike,
  emptyTensor,
  runKernel,
  runPlan,
  type Shape,
  type SlicedTensor,
  type Tensor,
} from '../tensor.ts';

/*
 * The plans that a convolution and a transposed convolution share; those of gradients are in
 * `training-kernels.ts`.
 */

/** Who wants to know what a device is asked for. */
const surveyors = new WeakMap<Gpu, (request: ConvolutionRequest) => void>();

/** Tells `listener` of every convolution that is asked of a device from now on. */
export function surveyConvolutions(
  gpu: Gpu,
  listener: (request: ConvolutionRequest) => void,
): void {
  surveyors.set(gpu, listener);
}

/**
 * The plan for a request: of the variant chosen for its shape class, if it is right for the request;
 * else of the first.
 */
export function planFor(gpu: Gpu, request: ConvolutionRequest): Plan {
  const { pass, geometry, epilogue, slice, accumulate, isFrozen } = request;
  const key = `${pass}${accumulate ? '+' : ''}${isFrozen ? 'f' : ''}${slice ? `[${slice.first}/${slice.channels}]` : ''}${epilogue.bias ? 'b' : ''}${activationKey(epilogue.activation)}${geometryKey(geometry)}${typesKey(request)}`;
  surveyors.get(gpu)?.(request);
  return rememberedPlan(gpu, key, () => {
    const variants = convolutionVariants(request, gpu.profile);
    const chosen = gpu.choices.get(shapeClass(request));
    return (variants.find(({ name }) => name === chosen) ?? variants[0]).plan();
  });
}

function epilogueOf(bias: Tensor | undefined, activation: Activation): Epilogue {
  return bias || activation.kind !== 'none' ? { bias: !!bias, activation } : NO_EPILOGUE;
}

export function sliceOf({ tensor, first }: SlicedTensor): ChannelSlice {
  return { first, channels: tensor.shape[1] };
}

/** Writes f(conv(x, w) + bias) into channels of a tensor; for CPU adapters. */
export function runForwardInto(
  geometry: ConvGeometry,
  target: SlicedTensor,
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  activation: Activation,
): void {
  const epilogue = epilogueOf(bias, activation);
  const plan = planFor(x.gpu, {
    pass: 'forward',
    geometry,
    epilogue,
    slice: sliceOf(target),
    isFrozen: weight.storage.constant,
    elementTypes: [x.elementType, target.tensor.elementType],
  });
  runPlan(plan, bias ? [x, weight, bias] : [x, weight], [target.tensor]);
}

/** What a convolution makes. */
export interface Result {
  readonly shape: Shape;
  readonly elementType: ElementType;
}

/** y = f(conv(x, w) + bias). */
export function runForward(
  geometry: ConvGeometry,
  { shape, elementType }: Result,
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  activation: Activation = { kind: 'none' },
): Tensor {
  const epilogue = epilogueOf(bias, activation);
  const y = emptyTensor(x.gpu, shape, elementType);
  const plan = planFor(x.gpu, {
    pass: 'forward',
    geometry,
    epilogue,
    elementTypes: [x.elementType, elementType],
    isFrozen: weight.storage.constant,
  });
  runPlan(plan, bias ? [x, weight, bias] : [x, weight], [y]);
  return y;
}

/** f(convTranspose(dy, w) + bias). */
export function runDataGradient(
  geometry: ConvGeometry,
  { shape, elementType }: Result,
  dy: Tensor,
  weight: Tensor,
  bias?: Tensor,
  activation: Activation = { kind: 'none' },
): Tensor {
  const epilogue = epilogueOf(bias, activation);
  const dx = emptyTensor(dy.gpu, shape, elementType);
  const plan = planFor(dy.gpu, {
    pass: 'data-gradient',
    elementTypes: [elementType, dy.elementType],
    geometry,
    epilogue,
    isFrozen: weight.storage.constant,
  });
  runPlan(plan, bias ? [dy, weight, bias] : [dy, weight], [dx]);
  return dx;
}

/**
 * Where gradients start: dy·f'(z), told from y = f(z). Made at most once, when first asked for.
 */
export function beforeActivation(activation: Activation, dy: Tensor, y: Tensor): () => Tensor {
  if (activation.kind === 'none') return () => dy;
  let made: Tensor | undefined;
  return () => {
    if (!made) {
      made = emptyLike(y);
      runKernel(elementwiseActivationGradient(activation, y.size, y.gpu.profile), [dy, y, made]);
    }
    return made;
  };
}
