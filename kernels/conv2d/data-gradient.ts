import type { AdapterProfile, Plan } from '../kernel.ts';
import { type Correlation, frameExtents } from './correlation.ts';
import type { Epilogue } from './epilogue.ts';
import { correlationPlan } from './forward.ts';
import { type ConvGeometry, flatten, outHeight, outWidth } from './geometry.ts';
import { type Frame, foldReflection } from './padding.ts';
import { packWeights } from './weights.ts';

/*
 * Data gradient, and forward pass of the transposed convolution:
 *
 *   dx̄[n,c,v] = Σ_{o, k ≡ v mod s} w[o,c,k] · dy[n,o,(v-k)/s]        (along each axis)
 *
 * v counts pixels of the padded image. Only every s-th tap meets a given v, and which ones depends
 * on v mod s alone. So outputs are taken by parity: output i = P·q + a, P = s, has v = u₀ + i; its
 * taps are k = (u₀+a) mod s + s·m, m < ⌈K/s⌉, and they meet dy at q + ⌊(u₀+a)/s⌋ - m. With dy framed
 * by ⌈K/s⌉ - 1 zeros in front this is a dense correlation: no zero is ever multiplied, except taps
 * that a parity lacks when s does not divide K.
 *
 * Zero padding: u₀ = p, only pixels of the image are computed. Reflection: the gradient of the whole
 * padded image is computed (u₀ = 0) and its margins are folded back.
 */

export function dataGradientCorrelation(
  geometry: ConvGeometry,
  epilogue: Epilogue,
): { spec: Correlation; frame: Frame; phases: number[] } {
  const g = flatten(geometry);
  const { stride } = g;
  const reflect = g.paddingMode === 'reflect' && g.padding > 0;
  const origin = reflect ? 0 : g.padding;
  const margin = reflect ? 2 * g.padding : 0;
  const tapsY = Math.ceil(g.kernelHeight / stride);
  const tapsX = Math.ceil(g.kernelWidth / stride);
  const parities = Array.from({ length: stride }, (_, a) => origin + a);
  // Where all parities start beyond the frame's border, the frame starts there: fewer pipelines.
  const skipped = Math.floor(origin / stride);
  const shape = {
    batch: g.batch,
    channels: g.outChannels,
    rows: g.inChannels,
    stride: 1,
    tapsY,
    tapsX,
    offsets: parities.map((v) => Math.floor(v / stride) - skipped),
    outHeight: g.height + margin,
    outWidth: g.width + margin,
    ...epilogue,
  };
  const [frameHeight, frameWidth] = frameExtents(shape);
  return {
    spec: { ...shape, frameHeight, frameWidth },
    frame: {
      planes: g.batch * g.outChannels,
      height: outHeight(g),
      width: outWidth(g),
      top: tapsY - 1 - skipped,
      left: tapsX - 1 - skipped,
      frameHeight,
      frameWidth,
      mode: 'zeros',
    },
    phases: parities.map((v) => v % stride),
  };
}

/**
 * Inputs: dy, w, bias (only if `epilogue.bias`: one per channel of dx). Output: dx.
 * An epilogue does not go with reflect padding, which transposed convolutions do not have.
 */
export function conv2dDataGradient(
  geometry: ConvGeometry,
  epilogue: Epilogue,
  profile: AdapterProfile,
): Plan {
  const { spec, frame, phases } = dataGradientCorrelation(geometry, epilogue);
  const { kernelHeight, kernelWidth, stride } = geometry;
  const weights = packWeights(spec, { kernelHeight, kernelWidth, adjoint: { stride, phases } });
  const plan = correlationPlan(spec, frame, weights, profile);
  if (geometry.paddingMode === 'zeros' || geometry.padding === 0) return plan;
  const { batch, inChannels, height, width, padding } = geometry;
  const temporaries = [...plan.temporaries, batch * inChannels * spec.outHeight * spec.outWidth];
  const padded = { temporary: plan.temporaries.length };
  const steps: Plan['steps'][number][] = plan.steps.map(({ kernel, operands }) => ({
    kernel,
    operands: operands.map((operand) => ('output' in operand ? padded : operand)),
  }));
  steps.push({
    kernel: foldReflection(batch * inChannels, height, width, padding),
    operands: [padded, { output: 0 }],
  });
  return { temporaries, steps };
}
