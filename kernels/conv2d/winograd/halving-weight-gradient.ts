import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { AdapterProfile, Kernel, Plan } from '../../kernel.ts';
import { linearMain, linearWorkgroups } from '../../linear.ts';
import type { Correlation } from '../correlation-spec.ts';
import {
  addContribution,
  elementNames,
  indices,
  matrixColumns,
  transposed,
  zeros,
} from './filtering.ts';
import { phaseTiles } from './halving.ts';
import { transformPhases } from './halving-image.ts';
import { transformWinogradCotangent } from './input-transform.ts';
import { TWO_TAPS } from './paired-points.ts';
import { gradientStages } from './stages.ts';
import type { WinogradTiles } from './tiles.ts';
import { GRADIENT_CHUNK_BYTES } from './weight-gradient.ts';

/*
 * Weight gradient of a convolution of 4×4 taps at stride 2, by the adjoint of minimal filtering as in
 * `weight-gradient.ts`; pixels are transformed in blocks of 2×2, as in its forward pass (`halving.ts`).
 */

const { taps, patch, weightMatrix } = TWO_TAPS;

/** dw = Gᵀ dU G of every row and channel. Bindings: dU [k][row][channel], dw [O,C,4,4], sizes. */
function foldPhaseWeights(
  rows: number,
  { rowQuads, channelQuads }: WinogradTiles,
  accumulate: boolean,
): Kernel {
  const count = rows * channelQuads;
  const quads = rowQuads * 4 * channelQuads;
  return {
    key: 'winogradphasefold',
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(count),
    constants: [count, quads, accumulate ? 1 : 0, patch, 4],
    code: () => wgsl`
struct Sizes { count: u32, quads: u32, accumulate: u32, patchSize: u32, stores: u32 }
@group(0) @binding(0) var<storage, read> products: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;
${matrixColumns(transposed(weightMatrix))}

${linearMain('sizes.count')}
${body().join('\n')}
  for (var k = 0u; k < sizes.stores; k++) {
    var value = values[k];
    if (sizes.accumulate != 0u) { value += result[index * 4u + k]; }
    result[index * 4u + k] = value;
  }
}
`,
  };
}

/** WGSL that defines `values`: the four rows of a channel's weights. */
function body(): string[] {
  const names = elementNames('g', taps, taps);
  const lines = zeros(names);
  lines.push('for (var i = 0u; i < sizes.patchSize; i++) {');
  const elements = indices(patch).map((y) => {
    lines.push(`let u${y} = products[index + (${patch * y}u + i) * sizes.quads];`);
    return `u${y}`;
  });
  const { lines: made, results } = TWO_TAPS.weightCotangent('column', elements);
  lines.push(...made);
  lines.push(...addContribution(names, results, 'i', 'y'), '}');
  const rows = names.flatMap(([left, right]) =>
    ['xy', 'zw'].map((phase) => `vec4f(${left}.${phase}, ${right}.${phase})`),
  );
  lines.push(`var values = array<vec4f, 4>(${rows.join(', ')});`);
  return lines.map((line) => `  ${line}`);
}

/**
 * dw of the convolution that `spec` is the forward pass of. Inputs: x, dy. Output: dw [O,C,4,4],
 * overwritten, or added to if `accumulate`.
 * @param chunkBytes what V and D of tiles worked on together may take
 */
export function halvingWeightGradient(
  spec: Correlation,
  accumulate: boolean,
  profile: AdapterProfile,
  chunkBytes = GRADIENT_CHUNK_BYTES,
): Plan {
  const tiles = phaseTiles(spec, profile, chunkBytes);
  return gradientStages({
    tiles,
    input: (chunk) => transformPhases(spec, tiles, chunk),
    cotangent: (chunk) => transformWinogradCotangent(spec, TWO_TAPS, tiles, chunk),
    fold: foldPhaseWeights(spec.rows, tiles, accumulate),
  });
}
