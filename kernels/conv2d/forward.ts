import type { AdapterProfile, Plan } from '../kernel.ts';
import type { Correlation } from './correlation-spec.ts';
import { directPlan } from './direct.ts';
import type { Epilogue } from './epilogue.ts';
import { type ChannelSlice, type ConvGeometry, flatten, outHeight, outWidth } from './geometry.ts';
import { type RegisterVariant, registerVariants } from './register-variants.ts';
import { smallForward } from './small-forward.ts';
import { tapPlanesPlan } from './tap-planes.ts';
import type { WeightOrder } from './weights.ts';
import { halvingDataGradient, halvingForward } from './winograd/halving.ts';
import { filteringKind, squareKernel } from './winograd/kind.ts';
import { winogradPlan } from './winograd/plan.ts';

/* Convolution forward: y = f(w ⋆ x̄ + bias), x̄ the image extended by `padding` on each side. */

/**
 * Inputs: x, w, bias (only if `epilogue.bias`). Output: y, or the tensor that `slice` of is y.
 * @param variant one of `registerVariants`; default the first of them
 */
export function conv2dForward(
  geometry: ConvGeometry,
  epilogue: Epilogue,
  profile: AdapterProfile,
  slice?: ChannelSlice,
  variant?: RegisterVariant,
): Plan {
  const spec = forwardCorrelation(geometry, epilogue, slice);
  const chosen = variant ?? registerVariants('forward', spec, geometry, profile)[0];
  if (chosen === 'small-maps') return smallForward(geometry, epilogue, profile);
  if (chosen === 'tap-planes') return tapPlanesPlan(spec, geometry, 'forward', profile);
  const { kernelHeight, kernelWidth } = geometry;
  return correlationPlan(spec, { kernelHeight, kernelWidth }, profile, chosen);
}

/** The correlation that a convolution is. */
export function forwardCorrelation(
  geometry: ConvGeometry,
  epilogue: Epilogue,
  slice?: ChannelSlice,
): Correlation {
  const g = flatten(geometry);
  return {
    batch: g.batch,
    channels: g.inChannels,
    rows: g.outChannels,
    height: g.height,
    width: g.width,
    mode: g.paddingMode,
    stride: g.stride,
    tapsY: g.kernelHeight,
    tapsX: g.kernelWidth,
    offsetsY: [-g.padding],
    offsetsX: [-g.padding],
    outHeight: outHeight(g),
    outWidth: outWidth(g),
    outputSlice: slice,
    ...epilogue,
  };
}

/** Correlate input 0 with weights input 1 and input 2 as bias, into output 0. */
export function correlationPlan(
  spec: Correlation,
  order: WeightOrder,
  profile: AdapterProfile,
  variant: 'direct' | 'winograd',
): Plan {
  if (variant === 'direct') return directPlan(spec, order, profile);
  switch (filteringKind(spec, squareKernel(order))) {
    case 'phases':
      return halvingForward(spec, profile);
    case 'parities':
      return halvingDataGradient(spec, order.adjoint?.phases ?? [], profile);
    default:
      return winogradPlan(spec, order.adjoint !== undefined, profile);
  }
}
