import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from '../../kernel.ts';
import { linearMain, linearWorkgroups } from '../../linear.ts';
import { addContribution, elementNames, matrixColumns, storeAll, zeros } from './filtering.ts';
import { TWO_TAPS } from './paired-points.ts';
import type { WinogradTiles } from './tiles.ts';

/*
 * U = G g Gᵀ of the 4×4 weights of a convolution of stride 2 (see `halving.ts`), in the order of `tiles.ts`.
 *
 * Forward: row = o, quad = c, g[t] = the four weights w[o,c] that meet the pixels of a block.
 * Data gradient: row = c, channel = o, g[t] = w[o,c,2(1-t)+φ], φ the phase of the parity.
 *
 * Rows and channels beyond the end become zeros.
 */

const { patch, weightMatrix } = TWO_TAPS;
const PRODUCTS = patch ** 2;

/** Bindings: weights [O,C,4,4], U, sizes. */
export function transformPhaseWeights(
  rows: number,
  channels: number,
  { rowBlocks, rowsPerLane }: WinogradTiles,
): Kernel {
  const quads = rowBlocks * rowsPerLane * channels;
  return {
    key: 'winogradphaseweights',
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(quads),
    constants: [quads, rows, channels, rowsPerLane, 2, PRODUCTS],
    code: () => wgsl`
struct Sizes { quads: u32, rows: u32, channels: u32, blockRows: u32, taps: u32, stores: u32 }
@group(0) @binding(0) var<storage, read> weights: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> transformed: array<vec4f>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;
${matrixColumns(weightMatrix)}

${linearMain('sizes.quads')}
  let r = index % sizes.blockRows;
  let channel = (index / sizes.blockRows) % sizes.channels;
  let row = index / (sizes.blockRows * sizes.channels) * sizes.blockRows + r;
  let start = (min(row, sizes.rows - 1u) * sizes.channels + channel) * 4u;
  let isReal = row < sizes.rows;
${body([
  'let top = weights[start + 2u * y];',
  'let bottom = weights[start + 2u * y + 1u];',
  'tap[y] = select(vec4f(top.xy, bottom.xy), vec4f(top.zw, bottom.zw), x == 1u);',
]).join('\n')}
${storeAll('transformed', elementNames('u', patch, patch).flat(), 'index', 'sizes.quads').join('\n')}
}
`,
  };
}

/**
 * Bindings: weights [O,C,4,4], U, sizes.
 * @param phases φ of the two parities of an axis
 */
export function transformParityWeights(
  rows: number,
  channels: number,
  phases: readonly number[],
  { rowBlocks, rowsPerLane, channelQuads }: WinogradTiles,
): Kernel {
  const quads = rowBlocks * rowsPerLane * channelQuads;
  return {
    key: 'winogradparityweights',
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(4 * quads),
    constants: [
      ...[4 * quads, quads, rows, channelQuads, phases[0], phases[1], rowsPerLane],
      ...[2, PRODUCTS, channels],
    ],
    code: () => wgsl`
struct Sizes {
  count: u32, quads: u32, rows: u32, channelQuads: u32, evenPhase: u32, oddPhase: u32, blockRows: u32, taps: u32, stores: u32,
  channels: u32,
}
@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> transformed: array<vec4f>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;
${matrixColumns(weightMatrix)}

${linearMain('sizes.count')}
  let parity = index / sizes.quads;
  let place = index % sizes.quads;
  let quad = (place / sizes.blockRows) % sizes.channelQuads;
  let row = place / (sizes.blockRows * sizes.channelQuads) * sizes.blockRows + place % sizes.blockRows;
  let phaseY = select(sizes.evenPhase, sizes.oddPhase, parity >= 2u);
  let phaseX = select(sizes.evenPhase, sizes.oddPhase, parity % 2u == 1u);
  let pitch = sizes.rows * 16u;
  let start = quad * 4u * pitch + min(row, sizes.rows - 1u) * 16u;
  let isReal = (vec4u(row) < vec4u(sizes.rows)) & (4u * quad + vec4u(0u, 1u, 2u, 3u) < vec4u(sizes.channels));
${body([
  'let at = start + (2u - 2u * y + phaseY) * 4u + 2u - 2u * x + phaseX;',
  'tap[y] = vec4f(weights[at], weights[at + pitch], weights[at + 2u * pitch], weights[at + 3u * pitch]);',
]).join('\n')}
  let to = place + parity * sizes.stores * sizes.quads;
${storeAll('transformed', elementNames('u', patch, patch).flat(), 'to', 'sizes.quads').join('\n')}
}
`,
  };
}

/** WGSL of all elements of U. @param load defines `tap[y]` of column x */
function body(load: readonly string[]): string[] {
  const names = elementNames('u', patch, patch);
  const lines = zeros(names);
  lines.push('for (var x = 0u; x < sizes.taps; x++) {', 'var tap = array<vec4f, 2>();');
  lines.push('for (var y = 0u; y < sizes.taps; y++) {', ...load);
  lines.push('tap[y] = select(vec4f(0.0), tap[y], isReal);', '}');
  const { lines: made, results } = TWO_TAPS.weights('g', ['tap[0]', 'tap[1]']);
  lines.push(...made);
  lines.push(...addContribution(names, results, 'x', 'y'), '}');
  return lines.map((line) => `  ${line}`);
}
