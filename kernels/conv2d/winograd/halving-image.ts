import type { Kernel } from '../../kernel.ts';
import type { Correlation } from '../correlation-spec.ts';
import { type Window, windowLoads, windowOf, windowPixel, windowRow } from '../window.ts';
import { addContribution, elementNames, indices, TILE, zeros } from './filtering.ts';
import { TWO_TAPS } from './paired-points.ts';
import { type TileTransform, tileTransform } from './tile-transform.ts';
import type { Chunk, WinogradTiles } from './tiles.ts';

/*
 * V = Bᵀ X B for every tile and channel (see `halving.ts`): X are the 5×5 blocks of 2×2 pixels that a tile
 * needs of the image extended by zeros or reflection; a block, (top left, top right, bottom left, bottom right),
 * is a vec4. One invocation transforms one channel of a tile.
 */

const { patch, inputMatrix } = TWO_TAPS;

/** Bindings: image, image, V, sizes. @param spec of the convolution */
export function transformPhases(spec: Correlation, tiles: WinogradTiles, chunk: Chunk): Kernel {
  const { height, width, channels, mode, offsetsX } = spec;
  const first = offsetsX[0];
  const window = windowOf({
    stride: 2,
    first,
    end: first + 2 * patch,
    width,
    quads: tiles.tilesX,
    lanes: tiles.lanes,
    mode,
    rowsInside: first >= 0 && 2 * TILE * (tiles.tilesY - 1) + first + 2 * patch <= height,
  });
  const names = elementNames('v', patch, patch);
  const transform: TileTransform = {
    name: 'winogradphases',
    window,
    matrix: inputMatrix,
    ...{ height, width, channels },
    slice: spec.imageSlice ?? { first: 0, channels },
    quads: channels,
    planes: 1,
    pitch: tiles.inputPitch,
    rows: patch,
    elements: names.flat(),
    body: body(names, window),
  };
  return tileTransform(transform, tiles, chunk);
}

/** WGSL of all elements of the transformed patch. */
function body(names: readonly (readonly string[])[], window: Window): string[] {
  const lines = zeros(names);
  lines.push('for (var i = 0u; i < sizes.patchSize; i++) {');
  const blocks = indices(patch).map((x) => `d${x}`);
  for (const name of blocks) lines.push(`var ${name} = vec4f(0.0);`);
  for (const row of [0, 1]) {
    const y = `i32(${2 * TILE}u * tileY + 2u * i + ${row}u) + ${window.first}`;
    lines.push('{', ...windowRow(window, 'image', y, 'sizes.height'));
    lines.push('let origin = plane + imageRow * u32(sizes.width);');
    lines.push(...windowLoads(window, 'image', 'p', 'origin'));
    for (const x of indices(patch)) {
      for (const column of [0, 1]) {
        const pixel = windowPixel(window, 'p', window.first + 2 * x + column);
        lines.push(`${blocks[x]}[${2 * row + column}] = ${pixel};`);
      }
    }
    lines.push('}');
  }
  const { lines: made, results } = TWO_TAPS.input('b', blocks);
  lines.push(...made);
  lines.push(...addContribution(names, results, 'i', 'x'), '}');
  return lines;
}
