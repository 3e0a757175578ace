import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from '../../kernel.ts';
import { linearMain, linearWorkgroups } from '../../linear.ts';
import { PATCH_INDICES, ROWS, type WinogradTiles } from './tiles.ts';
import {
  matrixColumns,
  PRODUCTS,
  storeAll,
  transformWeights,
  WEIGHT_MATRIX,
} from './transforms.ts';

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
      3,
      PRODUCTS,
    ],
    code: () => wgsl`
struct Sizes { quads: u32, rows: u32, channelQuads: u32, rowPitch: u32, channelPitch: u32, turned: u32, taps: u32, stores: u32 }
@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> transformed: array<vec4f>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;
${matrixColumns(WEIGHT_MATRIX)}

${linearMain('sizes.quads')}
  let r = index % ${ROWS}u;
  let quad = (index / ${ROWS}u) % sizes.channelQuads;
  let row = index / (${ROWS}u * sizes.channelQuads) * ${ROWS}u + r;
  let start = row * sizes.rowPitch + quad * 4u * sizes.channelPitch;
  let isReal = row < sizes.rows;
${body().join('\n')}
}
`,
  };
}

function body(): string[] {
  const names = PATCH_INDICES.map((y) => PATCH_INDICES.map((x) => `u${y}_${x}`));
  const lines = names.flat().map((name) => `var ${name} = vec4f(0.0);`);
  lines.push('for (var x = 0u; x < sizes.taps; x++) {');
  lines.push('var tap = array<vec4f, 3>();');
  lines.push('for (var y = 0u; y < sizes.taps; y++) {');
  lines.push('  let t = 3u * y + x;');
  lines.push('  let at = start + select(t, 8u - t, sizes.turned != 0u);');
  const parts = [0, 1, 2, 3].map((c) => `weights[at + ${c}u * sizes.channelPitch]`);
  lines.push(`  tap[y] = select(vec4f(0.0), vec4f(${parts.join(', ')}), isReal);`, '}');
  const { lines: made, results } = transformWeights('g', ['tap[0]', 'tap[1]', 'tap[2]']);
  lines.push(...made);
  PATCH_INDICES.forEach((x) => {
    lines.push(`let w${x} = MATRIX[x][${x}];`);
    PATCH_INDICES.forEach((y) => {
      lines.push(`u${y}_${x} += w${x} * ${results[y]};`);
    });
  });
  lines.push('}');
  lines.push(...storeAll('transformed', names.flat(), 'index', 'sizes.quads'));
  return lines.map((line) => `  ${line}`);
}
