import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from '../kernel.ts';
import { linearMain, linearWorkgroups } from '../linear.ts';
import { type Correlation, correlationTiles, packedLength } from './correlation-spec.ts';
import type { DirectWeights } from './correlation-weights.ts';

/*
 * Weights in the order in which a correlation reads them:
 *
 *   packed [parity a][row block][channel block][t][row][channel][b][u] ← w [O,C,KH,KW]
 *
 * Forward: row = o, channel = c, tap (t,u) = (ky,kx).
 * Data gradient: row = c, channel = o, and an output of parity a sees, of the kernel's rows, those
 * with ky ≡ phase[a] mod s, the last of them first: ky = phase[a] + s·(TY-1-t). Taps outside the
 * kernel, rows and lanes beyond the end become zeros. One invocation makes one vec4.
 */

export interface WeightOrder {
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  /** Absent for the forward pass. */
  readonly adjoint?: { readonly stride: number; readonly phases: readonly number[] };
}

/** Bindings: weights [O,C,KH,KW], packed, sizes. */
export function packWeights(spec: Correlation, order: WeightOrder): Kernel {
  const { channels, rows, tapsX, tapsY } = spec;
  const { kernelHeight, kernelWidth, adjoint } = order;
  const { parities, rowsPerLane, rowBlocks, channelBlock, vectorsPerRow } = correlationTiles(spec);
  const taps = parities * tapsX;
  const plane = kernelHeight * kernelWidth;
  const stride = adjoint?.stride ?? 1;
  const phases = adjoint?.phases.map((phase) => `${phase}u`).join(', ') ?? '';
  return {
    key: `pack.${tapsX}.${rowsPerLane}.${channelBlock}${adjoint ? `.${stride}@${adjoint.phases.join(',')}` : ''}`,
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(packedLength(spec) / 4),
    constants: [
      rows,
      rowBlocks,
      channels / channelBlock,
      tapsY,
      kernelHeight,
      kernelWidth,
      adjoint ? plane : channels * plane,
      adjoint ? rows * plane : plane,
    ],
    code: () => wgsl`
struct Sizes {
  rows: u32, rowBlocks: u32, channelSteps: u32, taps: u32, kernelHeight: u32, kernelWidth: u32,
  rowPitch: u32, channelPitch: u32,
}
@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> packed: array<vec4f>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;

#if ${adjoint !== undefined}
const PHASES = array<u32, ${parities}>(${phases});
#endif

fn weight(parity: u32, row: u32, channel: u32, t: u32, k: u32) -> f32 {
#if ${adjoint !== undefined}
  let ky = PHASES[parity] + ${stride}u * (sizes.taps - 1u - t);
  let kx = PHASES[(k / ${tapsX}u) % ${parities}u] + ${stride}u * (${tapsX - 1}u - k % ${tapsX}u);
#else
  let ky = t;
  let kx = k % ${tapsX}u;
#endif
  if (row >= sizes.rows || k >= ${taps * channelBlock}u || ky >= sizes.kernelHeight || kx >= sizes.kernelWidth) {
    return 0.0;
  }
  return weights[row * sizes.rowPitch + (channel + k / ${taps}u) * sizes.channelPitch + ky * sizes.kernelWidth + kx];
}

${linearMain('arrayLength(&packed)')}
  let k = 4u * (index % ${vectorsPerRow}u);
  let step = index / ${vectorsPerRow * rowsPerLane}u;
  let t = step % sizes.taps;
  let channel = (step / sizes.taps) % sizes.channelSteps * ${channelBlock}u;
  let block = step / (sizes.taps * sizes.channelSteps);
  let row = (block % sizes.rowBlocks) * ${rowsPerLane}u + (index / ${vectorsPerRow}u) % ${rowsPerLane}u;
  let parity = block / sizes.rowBlocks;
  packed[index] = vec4f(
    weight(parity, row, channel, t, k), weight(parity, row, channel, t, k + 1u),
    weight(parity, row, channel, t, k + 2u), weight(parity, row, channel, t, k + 3u));
}
`,
  };
}

/**
 * Where a correlation finds its weights in the tensor [O,C,KH,KW] itself, if the weights of a step and
 * row are one vec4 there; undefined if they must be packed.
 */
export function directWeights(spec: Correlation, order: WeightOrder): DirectWeights | undefined {
  const { channels, rows, tapsX, tapsY } = spec;
  const { kernelHeight, kernelWidth, adjoint } = order;
  if (!adjoint) {
    return kernelWidth === 4
      ? {
          bases: [0],
          row: channels * kernelHeight,
          channel: kernelHeight,
          tap: 1,
          components: [0, 1, 2, 3],
        }
      : undefined;
  }
  const { stride, phases } = adjoint;
  if (kernelWidth !== 4 || stride * tapsX !== 4 || stride * tapsY !== kernelHeight)
    return undefined;
  return {
    bases: phases.map((phase) => phase + stride * (tapsY - 1)),
    row: kernelHeight,
    channel: rows * kernelHeight,
    tap: -stride,
    components: phases.flatMap((phase) =>
      Array.from({ length: tapsX }, (_, u) => phase + stride * (tapsX - 1 - u)),
    ),
  };
}
