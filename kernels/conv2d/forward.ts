import type { AdapterProfile, Operand, Plan } from '../kernel.ts';
import { type Correlation, correlate, frameExtents, packedLength } from './correlation.ts';
import type { Epilogue } from './epilogue.ts';
import { type ConvGeometry, flatten, outHeight, outWidth } from './geometry.ts';
import { type Frame, frameImage, frameLength, isIdentity } from './padding.ts';
import { packWeights } from './weights.ts';

/*
 * Convolution forward: y = f(w ⋆ x̄ + bias). Frame the image (padding, alignment), pack the weights,
 * correlate.
 */

export function forwardCorrelation(
  geometry: ConvGeometry,
  epilogue: Epilogue,
): { spec: Correlation; frame: Frame } {
  const g = flatten(geometry);
  const shape = {
    batch: g.batch,
    channels: g.inChannels,
    rows: g.outChannels,
    stride: g.stride,
    tapsY: g.kernelHeight,
    tapsX: g.kernelWidth,
    offsets: [0],
    outHeight: outHeight(g),
    outWidth: outWidth(g),
    ...epilogue,
  };
  const [needHeight, needWidth] = frameExtents(shape);
  const direct =
    g.padding === 0 && g.width % 4 === 0 && needWidth <= g.width && needHeight <= g.height;
  const [frameHeight, frameWidth] = direct ? [g.height, g.width] : [needHeight, needWidth];
  return {
    spec: { ...shape, frameHeight, frameWidth },
    frame: {
      planes: g.batch * g.inChannels,
      height: g.height,
      width: g.width,
      top: g.padding,
      left: g.padding,
      frameHeight,
      frameWidth,
      mode: g.paddingMode,
    },
  };
}

/** Inputs: x, w, bias (only if `epilogue.bias`). Output: y. */
export function conv2dForward(
  geometry: ConvGeometry,
  epilogue: Epilogue,
  profile: AdapterProfile,
): Plan {
  const { spec, frame } = forwardCorrelation(geometry, epilogue);
  const weights = packWeights(spec, {
    kernelHeight: geometry.kernelHeight,
    kernelWidth: geometry.kernelWidth,
  });
  return correlationPlan(spec, frame, weights, profile);
}

/** Frame input 0, pack input 1, correlate, with input 2 as bias, into output 0. */
export function correlationPlan(
  spec: Correlation,
  frame: Frame,
  weights: Plan['steps'][number]['kernel'],
  profile: AdapterProfile,
): Plan {
  const temporaries = [packedLength(spec)];
  const steps: Plan['steps'][number][] = [
    { kernel: weights, operands: [{ input: 1 }, { temporary: 0 }] },
  ];
  let framed: Operand = { input: 0 };
  if (!isIdentity(frame)) {
    framed = { temporary: temporaries.push(frameLength(frame)) - 1 };
    steps.push({ kernel: frameImage(frame), operands: [{ input: 0 }, framed] });
  }
  const bias: Operand = spec.bias ? { input: 2 } : { temporary: 0 };
  steps.push({
    kernel: correlate(spec, profile),
    operands: [framed, { temporary: 0 }, bias, { output: 0 }],
  });
  return { temporaries, steps };
}
