import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Activation } from '../../activation.ts';
import { floatBits, type Kernel } from '../../kernel.ts';
import { linearMain, linearWorkgroups } from '../../linear.ts';
import { EPILOGUE_ACTIVATION, epilogueCode, epilogueSlope } from '../epilogue.ts';

/* Sums that were cut into parts, added in a fixed order. */

interface Finished {
  readonly rows: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly bias: boolean;
  readonly activation: Activation;
}

/**
 * y[i] = f(bias[channel of i] + Σ_split partial[split][i]).
 * Bindings: partial, bias (any storage if there is none), y, sizes.
 */
export function finishSplits(spec: Finished, length: number, splits: number): Kernel {
  return {
    key: 'gpu.finish',
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: linearWorkgroups(length),
    constants: [
      length,
      splits,
      spec.outHeight * spec.outWidth,
      spec.rows,
      spec.bias ? 1 : 0,
      epilogueCode(spec.activation),
      floatBits(epilogueSlope(spec.activation)),
    ],
    code: () => wgsl`
struct Sizes {
  length: u32, splits: u32, plane: u32, rows: u32, biased: u32, activation: u32, slope: u32,
}
@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${EPILOGUE_ACTIVATION}

${linearMain('sizes.length')}
  var sum = 0.0;
  for (var split = 0u; split < sizes.splits; split++) { sum += partial[split * sizes.length + index]; }
  if (sizes.biased != 0u) { sum += bias[index / sizes.plane % sizes.rows]; }
  result[index] = activate(vec4f(sum), sizes.activation, bitcast<f32>(sizes.slope)).x;
}
`,
  };
}

/**
 * dw[o][c][tap] (+)= Σ_split partial[split][o][tap][c], where channels are padded to `pitch`.
 * Neighbouring invocations write neighbouring weights; what a workgroup reads are whole cache lines.
 * Bindings: partial, dw, sizes.
 */
export function finishWeights(
  outChannels: number,
  channels: number,
  taps: number,
  pitch: number,
  splits: number,
  accumulate: boolean,
): Kernel {
  const length = outChannels * channels * taps;
  return {
    key: `gpu.finishweights${accumulate ? '+' : ''}`,
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(length),
    constants: [length, splits, outChannels * taps * pitch, channels, taps, pitch],
    code: () => wgsl`
struct Sizes { length: u32, splits: u32, splitPitch: u32, channels: u32, taps: u32, pitch: u32 }
@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;

${linearMain('sizes.length')}
  let c = index / sizes.taps % sizes.channels;
  let o = index / (sizes.taps * sizes.channels);
  var at = (o * sizes.taps + index % sizes.taps) * sizes.pitch + c;
  var sum = 0.0;
  for (var split = 0u; split < sizes.splits; split++) {
    sum += partial[at];
    at += sizes.splitPitch;
  }
#if ${accumulate}
  sum += result[index];
#endif
  result[index] = sum;
}
`,
  };
}
