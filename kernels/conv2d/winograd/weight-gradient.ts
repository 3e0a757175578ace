import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { AdapterProfile, Kernel, Plan } from '../../kernel.ts';
import { linearMain, linearWorkgroups } from '../../linear.ts';
import type { Correlation } from '../correlation-spec.ts';
import {
  addContribution,
  elementNames,
  type Filtering,
  indices,
  matrixColumns,
  transposed,
  zeros,
} from './filtering.ts';
import { requireFiltering } from './filterings.ts';
import { transformWinogradCotangent, transformWinogradInput } from './input-transform.ts';
import { gradientStages } from './stages.ts';
import { type WinogradTiles, winogradTiles } from './tiles.ts';

/*
 * Weight gradient by the adjoint of minimal filtering. Since <dy, y> = <(A dy Aᵀ) ⊙ V, U>, with U = G g Gᵀ,
 *
 *   dg = Gᵀ [ Σ_tiles (A dy Aᵀ) ⊙ (Bᵀ d B) ] G
 */

/**
 * dw = Gᵀ dU G of every row and channel, stored as vec4s where four channels are whole ones.
 * Bindings: dU [k][row][channel], dw [O,C,r,r], sizes.
 */
function foldWinogradWeights(
  { rows, channels }: Pick<Correlation, 'rows' | 'channels'>,
  { rowQuads, channelQuads }: WinogradTiles,
  filtering: Filtering,
  accumulate: boolean,
): Kernel {
  const count = rows * channelQuads;
  const quads = rowQuads * 4 * channelQuads;
  const isWhole = channels % 4 === 0;
  const lanes = isWhole ? 4 : 1;
  const size = filtering.taps ** 2;
  return {
    key: `winogradweightfold${filtering.taps}${isWhole ? '' : '.s'}`,
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(count),
    constants: [count, quads, accumulate ? 1 : 0, filtering.patch, channels, channelQuads],
    code: () => wgsl`
struct Sizes { count: u32, quads: u32, accumulate: u32, patchSize: u32, channels: u32, channelQuads: u32 }
@group(0) @binding(0) var<storage, read> products: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> result: array<${isWhole ? 'vec4f' : 'f32'}>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;
${matrixColumns(transposed(filtering.weightMatrix))}

${linearMain('sizes.count')}
${body(filtering).join('\n')}
  let channel = index % sizes.channelQuads * 4u;
  let to = (index / sizes.channelQuads * sizes.channels + channel) * ${size}u / ${lanes}u;
  let stores = min(4u, sizes.channels - channel) * ${size}u / ${lanes}u;
  for (var k = 0u; k < stores; k++) {
    var value = ${isWhole ? 'values[k]' : 'values[k / 4u][k % 4u]'};
    if (sizes.accumulate != 0u) { value += result[to + k]; }
    result[to + k] = value;
  }
}
`,
  };
}

/** WGSL that defines `values`: the weights of four channels, one channel after the other. */
function body(filtering: Filtering): string[] {
  const { taps, patch } = filtering;
  const names = elementNames('g', taps, taps);
  const lines = zeros(names);
  lines.push('for (var i = 0u; i < sizes.patchSize; i++) {');
  const elements = indices(patch).map((y) => {
    lines.push(`let u${y} = products[index + (${patch * y}u + i) * sizes.quads];`);
    return `u${y}`;
  });
  const { lines: made, results } = filtering.weightCotangent('column', elements);
  lines.push(...made);
  lines.push(...addContribution(names, results, 'i', 'y'), '}');
  const weights = [...'xyzw'].flatMap((c) => names.flat().map((name) => `${name}.${c}`));
  const vectors = indices(taps * taps).map((v) => {
    return `vec4f(${weights.slice(4 * v, 4 * v + 4).join(', ')})`;
  });
  lines.push(`var values = array<vec4f, ${taps * taps}>(${vectors.join(', ')});`);
  return lines.map((line) => `  ${line}`);
}

/** Adding a chunk to dU costs as much as reading its V and D, so chunks are larger than otherwise. */
export const GRADIENT_CHUNK_BYTES = 24 * 2 ** 20;

/**
 * dw of the convolution that `spec` is the forward pass of. Inputs: x, dy. Output: dw [O,C,r,r],
 * overwritten, or added to if `accumulate`.
 * @param chunkBytes what V and D of tiles worked on together may take
 */
export function winogradWeightGradient(
  spec: Correlation,
  accumulate: boolean,
  profile: AdapterProfile,
  chunkBytes = GRADIENT_CHUNK_BYTES,
): Plan {
  const filtering = requireFiltering(spec.tapsX);
  const tiles = winogradTiles(spec, profile, chunkBytes);
  return gradientStages({
    tiles,
    input: (chunk) => transformWinogradInput(spec, tiles, chunk),
    cotangent: (chunk) => transformWinogradCotangent(spec, filtering, tiles, chunk),
    fold: foldWinogradWeights(spec, tiles, filtering, accumulate),
  });
}
