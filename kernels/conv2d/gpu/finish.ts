import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Activation } from '../../activation.ts';
import { floatBits, type Kernel } from '../../kernel.ts';
import { linearMain, linearWorkgroups } from '../../linear.ts';
import { EPILOGUE_ACTIVATION, epilogueCode, epilogueSlope } from '../epilogue.ts';
import type { ConvGeometry } from '../geometry.ts';

/* Sums that were cut into parts, added in a fixed order. */

interface Finished {
  readonly rows: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly bias: boolean;
  readonly activation: Activation;
  /** Whether to add to what the output holds. */
  readonly accumulate?: boolean | undefined;
}

/**
 * y[i] (+)= f(bias[channel of i] + Σ_split partial[split][i]).
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
      spec.accumulate ? 1 : 0,
    ],
    code: () => wgsl`
struct Sizes {
  length: u32, splits: u32, plane: u32, rows: u32, biased: u32, activation: u32, slope: u32,
  accumulate: u32,
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
  var total = activate(vec4f(sum), sizes.activation, bitcast<f32>(sizes.slope)).x;
  if (sizes.accumulate != 0u) { total += result[index]; }
  result[index] = total;
}
`,
  };
}

/** Where partial results of a weight gradient lie: at first + o·outPitch + c·channelPitch + tap·tapPitch. */
export interface PartialWeights {
  readonly splits: number;
  readonly splitPitch: number;
  readonly first: number;
  readonly outPitch: number;
  readonly channelPitch: number;
  /** May be negative. */
  readonly tapPitch: number;
}

/**
 * dw[o][c][tap] (+)= Σ_split partial[split][o,c,tap].
 * Neighbouring invocations write neighbouring weights; what a workgroup reads are whole cache lines.
 * Bindings: partial, dw, sizes.
 */
export function finishWeights(
  { outChannels, inChannels, kernelHeight, kernelWidth }: ConvGeometry,
  { splits, splitPitch, first, outPitch, channelPitch, tapPitch }: PartialWeights,
  accumulate: boolean,
): Kernel {
  const taps = kernelHeight * kernelWidth;
  const length = outChannels * inChannels * taps;
  return {
    key: `gpu.finishweights${accumulate ? '+' : ''}`,
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(length),
    constants: [
      length,
      splits,
      splitPitch,
      inChannels,
      taps,
      first,
      outPitch,
      channelPitch,
      tapPitch >>> 0,
    ],
    code: () => wgsl`
struct Sizes {
  length: u32, splits: u32, splitPitch: u32, channels: u32, taps: u32,
  first: u32, outPitch: u32, channelPitch: u32, tapPitch: u32,
}
@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;

${linearMain('sizes.length')}
  let c = index / sizes.taps % sizes.channels;
  let o = index / (sizes.taps * sizes.channels);
  var at = sizes.first + o * sizes.outPitch + c * sizes.channelPitch;
  at += index % sizes.taps * sizes.tapPitch;
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
