import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from '../../kernel.ts';
import { linearMain, linearWorkgroups } from '../../linear.ts';
import { PATCH_INDICES, ROWS, type WinogradTiles } from './tiles.ts';
import { PATCH, transformWeights } from './transforms.ts';

/*
 * U = G g Gᵀ for every pair of row and channel, in the order of `tiles.ts`.
 *
 * Forward: row = o, channel = c, g = w[o,c]. Data gradient: row = c, channel = o, and g is w[o,c] turned
 * by 180°. Rows beyond the end become zeros. One invocation transforms four channels of a row.
 */

export interface WinogradWeights {
  readonly rows: number;
  readonly channels: number;
  readonly isAdjoint: boolean;
}

/** Bindings: weights [O,C,3,3], U, sizes. */
export function transformWinogradWeights(
  { rows, channels, isAdjoint }: WinogradWeights,
  { channelQuads, rowBlocks }: WinogradTiles,
): Kernel {
  const quads = rowBlocks * ROWS * channelQuads;
  return {
    key: 'winogradweights',
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(quads),
    constants: [
      quads,
      rows,
      channelQuads,
      isAdjoint ? 9 : channels * 9,
      isAdjoint ? rows * 9 : 9,
      isAdjoint ? 1 : 0,
    ],
    code: () => wgsl`
struct Sizes { quads: u32, rows: u32, channelQuads: u32, rowPitch: u32, channelPitch: u32, turned: u32 }
@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> transformed: array<vec4f>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;

${linearMain('sizes.quads')}
  let r = index % ${ROWS}u;
  let quad = (index / ${ROWS}u) % sizes.channelQuads;
  let row = index / (${ROWS}u * sizes.channelQuads) * ${ROWS}u + r;
  let start = row * sizes.rowPitch + quad * 4u * sizes.channelPitch;
  let isReal = row < sizes.rows;
  var taps: array<vec4f, 9>;
  for (var t = 0u; t < 9u; t++) {
    let first = start + select(t, 8u - t, sizes.turned != 0u);
    for (var c = 0u; c < 4u; c++) {
      if (isReal) { taps[t][c] = weights[first + c * sizes.channelPitch]; }
    }
  }
${body().join('\n')}
}
`,
  };
}

function body(): string[] {
  const lines: string[] = [];
  const columns = [0, 1, 2].map((x) => {
    const taps = [0, 1, 2].map((y) => `taps[${3 * y + x}]`);
    const { lines: made, results } = transformWeights(`c${x}_`, taps);
    lines.push(...made);
    return results;
  });
  for (const y of PATCH_INDICES) {
    const row = columns.map((column) => column[y]);
    const { lines: made, results } = transformWeights(`u${y}_`, row);
    lines.push(...made);
    results.forEach((value, x) => {
      lines.push(`transformed[index + ${PATCH * y + x}u * sizes.quads] = ${value};`);
    });
  }
  return lines.map((line) => `  ${line}`);
}
