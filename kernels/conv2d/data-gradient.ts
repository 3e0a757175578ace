import type { AdapterProfile, Plan } from '../kernel.ts';
import type { Correlation } from './correlation-spec.ts';
import type { Epilogue } from './epilogue.ts';
import { correlationPlan } from './forward.ts';
import {
  type ChannelSlice,
  type ConvGeometry,
  flatten,
  foldsMargins,
  outHeight,
  outWidth,
} from './geometry.ts';
import { type RegisterVariant, registerVariants } from './register-variants.ts';
import { smallDataGradient } from './small-data-gradient.ts';
import { tapPlanesPlan } from './tap-planes.ts';
import type { WeightOrder } from './weights.ts';

/*
 * Data gradient, and forward pass of the transposed convolution:
 *
 *   dx̄[n,c,v] = Σ_{o, k ≡ v mod s} w[o,c,k] · dy[n,o,(v-k)/s]        (along each axis)
 *
 * v counts pixels of the padded image. Only every s-th tap meets a given v, and which ones depends
 * on v mod s alone. So outputs are taken by parity: output i = P·q + a, P = s, has v = u₀ + i; its
 * taps are k = (u₀+a) mod s + s·m, m < ⌈K/s⌉, and they meet dy at q + ⌊(u₀+a)/s⌋ - m. This
 * is a dense correlation of dy, extended by zeros: no tap is wasted, except those that a parity lacks
 * when s does not divide K.
 *
 * Zero padding: u₀ = p, only pixels of the image are computed. Reflection: the gradient of the whole
 * padded image is computed (u₀ = 0); whoever asked for it folds its margins back (`fold.ts`).
 */

export interface DataGradientOptions {
  /** Channels of the given tensor that are dy; default all. */
  readonly slice?: ChannelSlice | undefined;
  /** Whether to add to what dx holds; default false. */
  readonly accumulate?: boolean | undefined;
  /** One of `registerVariants`; default the first of them. */
  readonly variant?: RegisterVariant | undefined;
}

/**
 * Inputs: dy, w, bias (only if `epilogue.bias`: one per channel of dx). Output: dx, or with reflect padding that of the
 * padded image, [N,C,H+2p,W+2p], to which nothing is added.
 * An epilogue does not go with reflect padding, which transposed convolutions do not have.
 */
export function conv2dDataGradient(
  geometry: ConvGeometry,
  epilogue: Epilogue,
  profile: AdapterProfile,
  options: DataGradientOptions = {},
): Plan {
  const { accumulate = false } = options;
  const spec = dataGradientCorrelation(geometry, epilogue, options);
  const variant = options.variant ?? registerVariants('data-gradient', spec, geometry, profile)[0];
  if (variant === 'small-maps') {
    return smallDataGradient(geometry, epilogue, accumulate, profile);
  }
  const order = dataGradientOrder(geometry);
  return variant === 'tap-planes'
    ? tapPlanesPlan(spec, geometry, 'data-gradient', profile)
    : correlationPlan(spec, order, profile, variant);
}

/** How the weights of a data gradient's correlation are read. */
export function dataGradientOrder(geometry: ConvGeometry): WeightOrder {
  const { kernelHeight, kernelWidth, stride } = geometry;
  const phases = Array.from({ length: stride }, (_, a) => (originOf(geometry) + a) % stride);
  return { kernelHeight, kernelWidth, adjoint: { stride, phases } };
}

/** u₀ */
function originOf(geometry: ConvGeometry): number {
  return foldsMargins(geometry) ? 0 : geometry.padding;
}

/** The correlation that a data gradient is; with reflection that of the whole padded image. */
export function dataGradientCorrelation(
  geometry: ConvGeometry,
  epilogue: Epilogue,
  { slice, accumulate = false }: DataGradientOptions = {},
): Correlation {
  const reflect = foldsMargins(geometry);
  const g = flatten(geometry);
  const { stride } = g;
  const origin = originOf(g);
  const margin = reflect ? 2 * g.padding : 0;
  const tapsY = Math.ceil(g.kernelHeight / stride);
  const tapsX = Math.ceil(g.kernelWidth / stride);
  const parities = Array.from({ length: stride }, (_, a) => origin + a);
  return {
    batch: g.batch,
    channels: g.outChannels,
    rows: g.inChannels,
    height: outHeight(g),
    width: outWidth(g),
    mode: 'zeros',
    stride: 1,
    tapsY,
    tapsX,
    offsetsY: parities.map((v) => Math.floor(v / stride) - (tapsY - 1)),
    offsetsX: parities.map((v) => Math.floor(v / stride) - (tapsX - 1)),
    outHeight: g.height + margin,
    outWidth: g.width + margin,
    imageSlice: slice,
    accumulate: accumulate && !reflect,
    ...epilogue,
  };
}
