import type { Plan } from '../../kernel.ts';
import { type Epilogue, NO_EPILOGUE } from '../epilogue.ts';
import { type ConvGeometry, flatten, foldsMargins, outHeight, outWidth } from '../geometry.ts';
import { correlationChoices, correlationPlan } from './correlation-plan.ts';
import type { Correlation } from './correlation-sizes.ts';
import type { TileChoice } from './tile.ts';
import type { WeightOrder } from './weights.ts';

/*
 * Convolution forward and data gradient as correlations on GPUs. Borders are tested where pixels are
 * loaded; nothing is copied into frames.
 */

/** A correlation and how its weights are read. */
interface Described {
  readonly spec: Correlation;
  readonly order: WeightOrder;
}

/** Inputs: x, w, bias (only if `epilogue.bias`). Output: y. */
export function gpuForward(geometry: ConvGeometry, epilogue: Epilogue, choice?: TileChoice): Plan {
  const { spec, order } = forwardOf(geometry, epilogue);
  return correlationPlan(spec, order, choice);
}

/** Choices for a forward pass, or a data gradient, by name. */
export function gpuCorrelationChoices(
  pass: 'forward' | 'data-gradient',
  geometry: ConvGeometry,
): readonly (readonly [string, TileChoice])[] {
  const describe = pass === 'forward' ? forwardOf : dataGradientOf;
  const { spec, order } = describe(geometry, NO_EPILOGUE);
  return correlationChoices(spec, order);
}

function forwardOf(geometry: ConvGeometry, epilogue: Epilogue): Described {
  const g = flatten(geometry);
  return {
    spec: {
      batch: g.batch,
      channels: g.inChannels,
      rows: g.outChannels,
      height: g.height,
      width: g.width,
      mode: g.padding === 0 ? 'zeros' : g.paddingMode,
      stride: g.stride,
      tapsY: g.kernelHeight,
      tapsX: g.kernelWidth,
      parities: [{ originY: -g.padding, firstY: 0, originX: -g.padding, firstX: 0 }],
      outHeight: outHeight(g),
      outWidth: outWidth(g),
      ...epilogue,
    },
    order: { kernelHeight: g.kernelHeight, kernelWidth: g.kernelWidth },
  };
}

/**
 * Inputs: dy, w, bias (only if `epilogue.bias`: one per channel of dx). Output: dx, overwritten, or added to if
 * `accumulate`; with reflect padding that of the padded image, [N,C,H+2p,W+2p], to which nothing is added.
 */
export function gpuDataGradient(
  geometry: ConvGeometry,
  epilogue: Epilogue,
  choice?: TileChoice,
  accumulate = false,
): Plan {
  const { spec, order } = dataGradientOf(geometry, epilogue);
  const adds = accumulate && !foldsMargins(geometry);
  return correlationPlan({ ...spec, accumulate: adds }, order, choice);
}

/**
 * Output i = P·q + a, P = s, of the image (with reflection: of the padded image) is v = u₀ + i of the padded
 * image. Its taps are k = v mod s + s·m, and they meet dy at ⌊v/s⌋ - m = q + ⌊(u₀+a)/s⌋ - m; tap t of a correlation is m = ⌈K/s⌉ - 1 - t.
 */
function dataGradientOf(geometry: ConvGeometry, epilogue: Epilogue): Described {
  const g = flatten(geometry);
  const { stride, kernelHeight, kernelWidth, padding } = g;
  const reflect = foldsMargins(g);
  const margin = reflect ? 2 * padding : 0;
  const tapsY = Math.ceil(kernelHeight / stride);
  const tapsX = Math.ceil(kernelWidth / stride);
  const starts = Array.from({ length: stride }, (_, a) => (reflect ? 0 : padding) + a);
  const phases = starts.map((v) => v % stride);
  // Taps beyond the kernel come first, as taps are met in reverse.
  const missing = (taps: number, kernel: number, phase: number): number =>
    taps - Math.max(0, Math.ceil((kernel - phase) / stride));
  return {
    spec: {
      batch: g.batch,
      channels: g.outChannels,
      rows: g.inChannels,
      height: outHeight(g),
      width: outWidth(g),
      mode: 'zeros',
      stride: 1,
      tapsY,
      tapsX,
      parities: starts.map((v, a) => ({
        originY: Math.floor(v / stride) - (tapsY - 1),
        firstY: missing(tapsY, kernelHeight, phases[a]),
        originX: Math.floor(v / stride) - (tapsX - 1),
        firstX: missing(tapsX, kernelWidth, phases[a]),
      })),
      outHeight: g.height + margin,
      outWidth: g.width + margin,
      ...(reflect ? NO_EPILOGUE : epilogue),
    },
    order: { kernelHeight, kernelWidth, adjoint: { stride, phases } },
  };
}
