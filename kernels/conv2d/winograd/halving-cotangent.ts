import type { Kernel } from '../../kernel.ts';
import type { Correlation } from '../correlation-spec.ts';
import { type Window, windowLoads, windowOf, windowPixel, windowRow } from '../window.ts';
import { addContribution, elementNames, indices, TILE, zeros } from './filtering.ts';
import { TWO_TAPS } from './paired-points.ts';
import { type TileTransform, tileTransform } from './tile-transform.ts';
import type { Chunk, WinogradTiles } from './tiles.ts';

/*
 * V = Bᵀ d B for the data gradient of a convolution of stride 2 (see `halving.ts`): d are the 5×5 values of dy
 * that a tile of outputs of one parity needs. Where the parities of an axis need the same, V is made once,
 * else for each of the four. One invocation transforms four channels of a tile for one parity.
 */

const { patch, inputMatrix } = TWO_TAPS;

/** Bindings: dy, dy, V, sizes. @param spec of the data gradient */
export function transformParities(spec: Correlation, tiles: WinogradTiles, chunk: Chunk): Kernel {
  const { height, width, channels, offsetsX } = spec;
  const first = Math.min(...offsetsX);
  const end = Math.max(...offsetsX) + patch;
  const window = windowOf({
    ...{ stride: 1, first, end, width },
    quads: tiles.tilesX,
    lanes: tiles.lanes,
    mode: 'zeros',
    rowsInside: first >= 0 && TILE * (tiles.tilesY - 1) + end <= height,
  });
  const names = elementNames('v', patch, patch);
  const transform: TileTransform = {
    name: 'winogradparities',
    window,
    matrix: inputMatrix,
    ...{ height, width, channels },
    slice: spec.imageSlice ?? { first: 0, channels },
    quads: tiles.channelQuads,
    planes: 4,
    parities: tiles.inputProducts / patch ** 2,
    pitch: tiles.inputPitch,
    rows: patch,
    elements: names.flat(),
    body: body(names, window),
  };
  return tileTransform(transform, tiles, chunk);
}

/** WGSL of all elements of the transformed patch. */
function body(names: readonly (readonly string[])[], window: Window): string[] {
  const { first, end } = window;
  const lines = zeros(names);
  lines.push('let isLower = parity / 2u;', 'let isRight = parity % 2u == 1u;');
  lines.push('for (var i = 0u; i < sizes.patchSize; i++) {');
  const row = `i32(${TILE}u * tileY + i + isLower * ${end - first - patch}u) + ${first}`;
  lines.push(...windowRow(window, 'image', row, 'sizes.height'));
  lines.push('let origin = plane + imageRow * u32(sizes.width);');
  for (const c of indices(4)) {
    lines.push(...windowLoads(window, 'image', `c${c}`, `origin + plane${c}`));
  }
  const columns = indices(end - first).map((x) => {
    const parts = indices(4).map((c) => windowPixel(window, `c${c}`, first + x));
    lines.push(`let p${x} = vec4f(${parts.join(', ')});`);
    return `p${x}`;
  });
  const shift = end - first - patch;
  const pixels = indices(patch).map((x) => {
    if (shift === 0) return columns[x];
    lines.push(`let d${x} = select(${columns[x]}, ${columns[x + shift]}, isRight);`);
    return `d${x}`;
  });
  const { lines: made, results } = TWO_TAPS.input('b', pixels);
  lines.push(...made);
  lines.push(...addContribution(names, results, 'i', 'x'), '}');
  return lines;
}
