import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type Kernel, spreadWorkgroups } from '../kernel.ts';
import { type Correlation, correlationTiles, packedLength } from './correlation.ts';

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

const WORKGROUP = 64;

export interface WeightOrder {
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  /** Absent for the forward pass. */
  readonly adjoint?: { readonly stride: number; readonly phases: readonly number[] };
}

/** Bindings: weights [O,C,KH,KW], packed. */
export function packWeights(spec: Correlation, order: WeightOrder): Kernel {
  const { channels, rows, tapsX, tapsY } = spec;
  const { kernelHeight, kernelWidth, adjoint } = order;
  const { parities, rowsPerLane, rowBlocks, channelBlock, vectorsPerRow } = correlationTiles(spec);
  const count = packedLength(spec) / 4;
  const taps = parities * tapsX;
  const [rowPitch, channelPitch] = adjoint
    ? [kernelHeight * kernelWidth, rows * kernelHeight * kernelWidth]
    : [channels * kernelHeight * kernelWidth, kernelHeight * kernelWidth];
  const phases = adjoint?.phases.map((phase) => `${phase}u`).join(', ') ?? '';
  return {
    key: `pack.${rows}x${channels}x${kernelHeight}x${kernelWidth}-${parities}.${rowsPerLane}.${channelBlock}.${tapsY}x${tapsX}${adjoint ? `.${adjoint.stride}@${adjoint.phases.join(',')}` : ''}`,
    bindings: ['read', 'write'],
    workgroups: spreadWorkgroups(Math.ceil(count / WORKGROUP)),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> packed: array<vec4f>;

#if ${adjoint !== undefined}
const PHASES = array<u32, ${parities}>(${phases});
#endif

fn weight(parity: u32, row: u32, channel: u32, t: u32, k: u32) -> f32 {
  let b = (k / ${tapsX}u) % ${parities}u;
  let u = k % ${tapsX}u;
#if ${adjoint !== undefined}
  let ky = PHASES[parity] + ${adjoint?.stride ?? 1}u * (${tapsY - 1}u - t);
  let kx = PHASES[b] + ${adjoint?.stride ?? 1}u * (${tapsX - 1}u - u);
#else
  let ky = t;
  let kx = u;
#endif
  if (row >= ${rows}u || k >= ${taps * channelBlock}u || ky >= ${kernelHeight}u || kx >= ${kernelWidth}u) {
    return 0.0;
  }
  return weights[row * ${rowPitch}u + (channel + k / ${taps}u) * ${channelPitch}u + ky * ${kernelWidth}u + kx];
}

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * groups.x + group.x) * ${WORKGROUP}u + lane;
  if (index >= ${count}u) { return; }
  let k = 4u * (index % ${vectorsPerRow}u);
  let step = index / ${vectorsPerRow * rowsPerLane}u;
  let t = step % ${tapsY}u;
  let channel = (step / ${tapsY}u) % ${channels / channelBlock}u * ${channelBlock}u;
  let block = step / ${(tapsY * channels) / channelBlock}u;
  let row = (block % ${rowBlocks}u) * ${rowsPerLane}u + (index / ${vectorsPerRow}u) % ${rowsPerLane}u;
  let parity = block / ${rowBlocks}u;
  packed[index] = vec4f(
    weight(parity, row, channel, t, k), weight(parity, row, channel, t, k + 1u),
    weight(parity, row, channel, t, k + 2u), weight(parity, row, channel, t, k + 3u));
}
`,
  };
}
