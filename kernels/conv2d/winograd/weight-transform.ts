import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from '../../kernel.ts';
import { linearMain, linearWorkgroups } from '../../linear.ts';
import {
  addContribution,
  elementNames,
  type Filtering,
  indices,
  matrixColumns,
  storeAll,
  zeros,
} from './filtering.ts';
import type { WinogradTiles } from './tiles.ts';

/*
 * U = G g Gᵀ for every pair of row and channel, in the order of `tiles.ts`.
 *
 * Forward: row = o, channel = c, g = w[o,c]. Data gradient: row = c, channel = o, and g is w[o,c] turned
 * by 180°. Rows and channels beyond the end become zeros. One invocation transforms four channels of a row.
 */

export interface WinogradWeights {
  readonly rows: number;
  readonly channels: number;
  readonly isAdjoint: boolean;
  readonly filtering: Filtering;
}

/** Bindings: weights [O,C,r,r], U, sizes. */
export function transformWinogradWeights(
  { rows, channels, isAdjoint, filtering }: WinogradWeights,
  { channelQuads, rowBlocks, rowsPerLane, products }: WinogradTiles,
): Kernel {
  const quads = rowBlocks * rowsPerLane * channelQuads;
  const { taps } = filtering;
  const size = taps * taps;
  return {
    key: `winogradweights${taps}`,
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(quads),
    constants: [
      quads,
      rows,
      channelQuads,
      isAdjoint ? size : channels * size,
      isAdjoint ? rows * size : size,
      isAdjoint ? 1 : 0,
      rowsPerLane,
      taps,
      products,
      channels,
    ],
    code: () => wgsl`
struct Sizes { quads: u32, rows: u32, channelQuads: u32, rowPitch: u32, channelPitch: u32, turned: u32, blockRows: u32, taps: u32, stores: u32, channels: u32 }
@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> transformed: array<vec4f>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;
${matrixColumns(filtering.weightMatrix)}

${linearMain('sizes.quads')}
  let r = index % sizes.blockRows;
  let quad = (index / sizes.blockRows) % sizes.channelQuads;
  let row = index / (sizes.blockRows * sizes.channelQuads) * sizes.blockRows + r;
  let start = row * sizes.rowPitch + quad * 4u * sizes.channelPitch;
  let isReal = (vec4u(row) < vec4u(sizes.rows)) & (4u * quad + vec4u(0u, 1u, 2u, 3u) < vec4u(sizes.channels));
${body(filtering).join('\n')}
}
`,
  };
}

function body(filtering: Filtering): string[] {
  const { taps } = filtering;
  const patch = indices(filtering.patch);
  const names = elementNames('u', patch.length, patch.length);
  const lines = zeros(names);
  lines.push('for (var x = 0u; x < sizes.taps; x++) {');
  lines.push(`var tap = array<vec4f, ${taps}>();`);
  lines.push('for (var y = 0u; y < sizes.taps; y++) {');
  lines.push(`  let t = ${taps}u * y + x;`);
  lines.push(`  let at = start + select(t, ${taps * taps - 1}u - t, sizes.turned != 0u);`);
  const parts = [0, 1, 2, 3].map((c) => `weights[at + ${c}u * sizes.channelPitch]`);
  lines.push(`  tap[y] = select(vec4f(0.0), vec4f(${parts.join(', ')}), isReal);`, '}');
  const column = indices(taps).map((y) => `tap[${y}]`);
  const { lines: made, results } = filtering.weights('g', column);
  lines.push(...made);
  lines.push(...addContribution(names, results, 'x', 'y'), '}');
  lines.push(...storeAll('transformed', names.flat(), 'index', 'sizes.quads'));
  return lines.map((line) => `  ${line}`);
}
