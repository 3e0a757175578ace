import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type Kernel, spreadWorkgroups } from '../../kernel.ts';
import type { Correlation } from '../correlation-spec.ts';
import {
  type Window,
  windowColumns,
  windowFunctions,
  windowKey,
  windowLoads,
  windowOf,
  windowPixel,
  windowRow,
} from '../window.ts';
import {
  addContribution,
  elementNames,
  indices,
  matrixColumns,
  storeAll,
  TILE,
  zeros,
} from './filtering.ts';
import { TWO_TAPS } from './paired-points.ts';
import { type Chunk, LANE_TILES, TILE_PLACE, type WinogradTiles } from './tiles.ts';

/*
 * V = Bᵀ X B for every tile and channel (see `halving.ts`): X are the 5×5 blocks of 2×2 pixels that a tile
 * needs of the image extended by zeros or reflection; a block, (top left, top right, bottom left, bottom right),
 * is a vec4. One invocation transforms one channel of a tile.
 */

const { patch, inputMatrix } = TWO_TAPS;

/** Bindings: image, image, V, sizes. @param spec of the convolution */
export function transformPhases(spec: Correlation, tiles: WinogradTiles, chunk: Chunk): Kernel {
  const { height, width, channels, mode, offsetsX } = spec;
  const { lanes, tilesX, tilesY, blockTiles, inputPitch } = tiles;
  const slice = spec.imageSlice ?? { first: 0, channels };
  const first = offsetsX[0];
  const window = windowOf({
    stride: 2,
    first,
    end: first + 2 * patch,
    width,
    quads: tilesX,
    mode,
    rowsInside: first >= 0 && 2 * TILE * (tilesY - 1) + first + 2 * patch <= height,
  });
  return {
    key: `winogradphases.${windowKey(window)}.${lanes}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(chunk.blocks * channels * LANE_TILES),
    constants: [
      chunk.first,
      chunk.blocks,
      channels,
      inputPitch,
      tiles.tiles,
      tilesX,
      tilesY,
      height,
      width,
      slice.channels * height * width,
      slice.first * height * width,
      patch,
      patch ** 2,
    ],
    code: () => wgsl`
struct Sizes {
  firstBlock: u32, blocks: u32, channels: u32, pitch: u32, tiles: u32, tilesX: u32, tilesY: u32,
  height: i32, width: i32, imagePitch: u32, imageStart: u32, patchSize: u32, stores: u32,
}
@group(0) @binding(0) var<storage, read> imageVectors: array<vec4f>;
@group(0) @binding(1) var<storage, read> imagePixels: array<f32>;
@group(0) @binding(2) var<storage, read_write> transformed: array<vec4f>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${matrixColumns(inputMatrix)}
${windowFunctions(window.mode)}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * groups.x + group.x;
  if (index >= sizes.blocks * sizes.channels * ${LANE_TILES}u) { return; }
  let place = (index % ${LANE_TILES}u) * ${lanes}u + lane;
  let channel = (index / ${LANE_TILES}u) % sizes.channels;
  let block = index / (${LANE_TILES}u * sizes.channels);
  // Tiles beyond the end repeat the last one: outputs of theirs are not stored, cotangents are zeros.
  let tile = min((sizes.firstBlock + block) * ${blockTiles}u + place, sizes.tiles - 1u);
${TILE_PLACE}
  ${windowColumns(window, 'image', 'tileX', 'sizes.width').join('\n  ')}
  let plane = item * sizes.imagePitch + sizes.imageStart + channel * u32(sizes.height) * u32(sizes.width);
  let to = block * sizes.stores * sizes.pitch + channel * ${blockTiles}u + place;
${body(window).join('\n')}
}
`,
  };
}

/** WGSL of all elements of the transformed patch and their stores. */
function body(window: Window): string[] {
  const names = elementNames('v', patch, patch);
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
  lines.push(...storeAll('transformed', names.flat(), 'to', 'sizes.pitch'));
  return lines.map((line) => `  ${line}`);
}
