import type { Activation } from '../../../kernels/activation.ts';
import { activationKey } from '../../../kernels/activation.ts';
import { biasGradient } from '../../../kernels/conv2d/bias-gradient.ts';
import { conv2dDataGradient } from '../../../kernels/conv2d/data-gradient.ts';
import { type Epilogue, NO_EPILOGUE } from '../../../kernels/conv2d/epilogue.ts';
import { conv2dForward } from '../../../kernels/conv2d/forward.ts';
import {
  type ChannelSlice,
  type ConvGeometry,
  geometryKey,
} from '../../../kernels/conv2d/geometry.ts';
import { gpuDataGradient, gpuForward } from '../../../kernels/conv2d/gpu/plans.ts';
import { gpuWeightGradient } from '../../../kernels/conv2d/gpu/weight-gradient.ts';
import { conv2dWeightGradient } from '../../../kernels/conv2d/weight-gradient.ts';
import { elementwiseActivationGradient } from '../../../kernels/elementwise.ts';
import type { AdapterProfile, Plan } from '../../../kernels/kernel.ts';
import type { GradientSlot } from '../parameter.ts';
import { emptyTensor, runKernel, runPlan, type Shape, sizeOf, Tensor } from '../tensor.ts';

/*
 * The three plans that a convolution and a transposed convolution share, with their plans remembered:
 * a training step asks for the same few dozen every time.
 */

const plans = new WeakMap<AdapterProfile, Map<string, Plan>>();

function remembered(profile: AdapterProfile, key: string, make: () => Plan): Plan {
  let known = plans.get(profile);
  if (!known) {
    known = new Map();
    plans.set(profile, known);
  }
  let plan = known.get(key);
  if (!plan) {
    plan = make();
    known.set(key, plan);
  }
  return plan;
}

function epilogueOf(bias: Tensor | undefined, activation: Activation): Epilogue {
  return bias || activation.kind !== 'none' ? { bias: !!bias, activation } : NO_EPILOGUE;
}

/** A tensor that channels `first` … of which a convolution writes, or has written. */
export interface SlicedTensor {
  readonly tensor: Tensor;
  readonly first: number;
}

function sliceOf({ tensor, first }: SlicedTensor): ChannelSlice {
  return { first, channels: tensor.shape[1] };
}

const sliceKey = (slice: ChannelSlice | undefined): string =>
  slice ? `[${slice.first}/${slice.channels}]` : '';

/** Writes f(conv(x, w) + bias) into channels of a tensor; for CPU adapters. */
export function runForwardInto(
  geometry: ConvGeometry,
  target: SlicedTensor,
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  activation: Activation,
): void {
  const { profile } = x.gpu;
  const epilogue = epilogueOf(bias, activation);
  const slice = sliceOf(target);
  const key = `forward${sliceKey(slice)}${epilogue.bias ? '+' : ''}${activationKey(activation)}${geometryKey(geometry)}`;
  const plan = remembered(profile, key, () => conv2dForward(geometry, epilogue, profile, slice));
  runPlan(plan, bias ? [x, weight, bias] : [x, weight], [target.tensor]);
}

/** y = f(conv(x, w) + bias), a tensor of `shape`. */
export function runForward(
  geometry: ConvGeometry,
  shape: Shape,
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  activation: Activation = { kind: 'none' },
): Tensor {
  const { profile } = x.gpu;
  const epilogue = epilogueOf(bias, activation);
  const key = `forward${epilogue.bias ? '+' : ''}${activationKey(activation)}${geometryKey(geometry)}`;
  const y = emptyTensor(x.gpu, shape);
  const plan = remembered(profile, key, () =>
    profile.kind === 'gpu'
      ? gpuForward(geometry, epilogue)
      : conv2dForward(geometry, epilogue, profile),
  );
  runPlan(plan, bias ? [x, weight, bias] : [x, weight], [y]);
  return y;
}

/**
 * dx of a convolution whose output is channels of the tensor of which `dy` is the cotangent. Added to
 * `target`, if there is one and the adapter's kernels can; else a new tensor.
 */
export function runInputGradient(
  geometry: ConvGeometry,
  shape: Shape,
  dy: Tensor | SlicedTensor,
  weight: Tensor,
  target?: GradientSlot,
): Tensor {
  const { profile } = weight.gpu;
  const accumulate = profile.kind === 'cpu' && (target?.filled ?? false);
  const slice = dy instanceof Tensor ? undefined : sliceOf(dy);
  const key = `input${accumulate ? '+' : ''}${sliceKey(slice)}${geometryKey(geometry)}`;
  const dx = target && accumulate ? target.tensor : emptyTensor(weight.gpu, shape);
  const plan = remembered(profile, key, () =>
    profile.kind === 'gpu' && !slice
      ? gpuDataGradient(geometry, NO_EPILOGUE)
      : conv2dDataGradient(geometry, NO_EPILOGUE, profile, { slice, accumulate }),
  );
  runPlan(plan, [dy instanceof Tensor ? dy : dy.tensor, weight], [dx]);
  return dx;
}

/** f(convTranspose(dy, w) + bias): a tensor of `shape`. */
export function runDataGradient(
  geometry: ConvGeometry,
  shape: Shape,
  dy: Tensor,
  weight: Tensor,
  bias?: Tensor,
  activation: Activation = { kind: 'none' },
): Tensor {
  const { profile } = dy.gpu;
  const epilogue = epilogueOf(bias, activation);
  const key = `data${epilogue.bias ? '+' : ''}${activationKey(activation)}${geometryKey(geometry)}`;
  const dx = emptyTensor(dy.gpu, shape);
  const plan = remembered(profile, key, () =>
    profile.kind === 'gpu'
      ? gpuDataGradient(geometry, epilogue)
      : conv2dDataGradient(geometry, epilogue, profile),
  );
  runPlan(plan, bias ? [dy, weight, bias] : [dy, weight], [dx]);
  return dx;
}

/** dw of a convolution with input x and output cotangent dy, straight into `target` if there is one. */
export function runWeightGradient(
  geometry: ConvGeometry,
  shape: Shape,
  x: Tensor,
  dy: Tensor,
  target?: GradientSlot,
): Tensor {
  const { profile } = x.gpu;
  const accumulate = target?.filled ?? false;
  const dw = target?.tensor ?? emptyTensor(x.gpu, shape);
  const key = `weight${accumulate ? '+' : ''}${geometryKey(geometry)}`;
  const plan = remembered(profile, key, () =>
    profile.kind === 'gpu'
      ? gpuWeightGradient(geometry, accumulate)
      : conv2dWeightGradient(geometry, accumulate, profile),
  );
  runPlan(plan, [x, dy], [dw]);
  return dw;
}

/** db[o] = Σ dy[n,o,…], straight into `target` if there is one. */
export function runBiasGradient(dy: Tensor, target?: GradientSlot): Tensor {
  const [batch, channels, ...extents] = dy.shape;
  const db = target?.tensor ?? emptyTensor(dy.gpu, [channels]);
  const accumulate = target?.filled ?? false;
  const { profile } = dy.gpu;
  const pixels = sizeOf(extents);
  const key = `bias${accumulate ? '+' : ''}${batch}x${channels}x${pixels}`;
  const plan = remembered(profile, key, () => biasGradient(batch, channels, pixels, accumulate));
  runPlan(plan, [dy], [db]);
  return db;
}

/**
 * Where gradients start: dy·f'(z), told from y = f(z). Made at most once, when first asked for.
 */
export function beforeActivation(activation: Activation, dy: Tensor, y: Tensor): () => Tensor {
  if (activation.kind === 'none') return () => dy;
  let made: Tensor | undefined;
  return () => {
    if (!made) {
      made = emptyTensor(y.gpu, y.shape);
      runKernel(elementwiseActivationGradient(activation, y.size), [dy, y, made]);
    }
    return made;
  };
}
