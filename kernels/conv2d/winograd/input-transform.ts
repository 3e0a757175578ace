import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type Kernel, spreadWorkgroups } from '../../kernel.ts';
import type { Correlation } from '../correlation.ts';
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
import { type Chunk, LANE_TILES, PATCH_INDICES, TILE_PLACE, type WinogradTiles } from './tiles.ts';
import {
  INPUT_MATRIX,
  matrixColumns,
  PATCH,
  PRODUCTS,
  storeAll,
  TILE,
  transformInput,
} from './transforms.ts';

/*
 * V = Bᵀ d B for every tile and channel, in the order of `tiles.ts`; d are the 6×6 pixels that a tile
 * needs of the image extended by zeros or reflection. One invocation transforms four channels of a tile.
 */

/** Bindings: image, image, V, sizes. */
export function transformWinogradInput(
  spec: Correlation,
  tiles: WinogradTiles,
  chunk: Chunk,
): Kernel {
  const { height, width, channels } = spec;
  const { imageSlice = { first: 0, channels } } = spec;
  const { lanes, tilesX, tilesY, channelQuads, blockTiles, inputPitch } = tiles;
  const [first] = spec.offsetsX;
  const window = windowOf({
    stride: 1,
    first,
    end: first + PATCH,
    width,
    quads: tilesX,
    mode: spec.mode,
    rowsInside: first >= 0 && TILE * (tilesY - 1) + first + PATCH <= height,
  });
  return {
    key: `winogradinput.${windowKey(window)}.${lanes}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(chunk.blocks * channelQuads * LANE_TILES),
    constants: [
      chunk.first,
      chunk.blocks,
      channelQuads,
      inputPitch,
      tiles.tiles,
      tilesX,
      tilesY,
      height,
      width,
      imageSlice.channels * height * width,
      imageSlice.first * height * width,
      PATCH,
      PRODUCTS,
    ],
    code: () => wgsl`
struct Sizes {
  firstBlock: u32, blocks: u32, channelQuads: u32, pitch: u32, tiles: u32, tilesX: u32, tilesY: u32,
  height: i32, width: i32, imagePitch: u32, imageStart: u32, patchSize: u32, stores: u32,
}
@group(0) @binding(0) var<storage, read> imageVectors: array<vec4f>;
@group(0) @binding(1) var<storage, read> imagePixels: array<f32>;
@group(0) @binding(2) var<storage, read_write> transformed: array<vec4f>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${matrixColumns(INPUT_MATRIX)}
${windowFunctions(window.mode)}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * groups.x + group.x;
  if (index >= sizes.blocks * sizes.channelQuads * ${LANE_TILES}u) { return; }
  let place = (index % ${LANE_TILES}u) * ${lanes}u + lane;
  let quad = (index / ${LANE_TILES}u) % sizes.channelQuads;
  let block = index / (${LANE_TILES}u * sizes.channelQuads);
  // Tiles beyond the end repeat the last one: their products are not stored as outputs.
  let tile = min((sizes.firstBlock + block) * ${blockTiles}u + place, sizes.tiles - 1u);
${TILE_PLACE}
  ${windowColumns(window, 'image', 'tileX', 'sizes.width').join('\n  ')}
  let planePitch = u32(sizes.height) * u32(sizes.width);
  let plane = item * sizes.imagePitch + sizes.imageStart + 4u * quad * planePitch;
  let to = block * ${PRODUCTS}u * sizes.pitch + quad * ${blockTiles}u + place;
${body(window).join('\n')}
}
`,
  };
}

/** WGSL of all elements of the transformed patch, called `v{y}_{x}`, and their stores. */
function body(window: Window): string[] {
  const names = PATCH_INDICES.map((y) => PATCH_INDICES.map((x) => `v${y}_${x}`));
  const lines = names.flat().map((name) => `var ${name} = vec4f(0.0);`);
  lines.push('for (var i = 0u; i < sizes.patchSize; i++) {');
  const row = `i32(${TILE}u * tileY + i) + ${window.first}`;
  lines.push(...windowRow(window, 'image', row, 'sizes.height'));
  lines.push('let origin = plane + imageRow * u32(sizes.width);');
  for (let c = 0; c < 4; c++) {
    lines.push(...windowLoads(window, 'image', `c${c}`, `origin + ${c}u * planePitch`));
  }
  const pixels = PATCH_INDICES.map((x) => {
    const parts = [0, 1, 2, 3].map((c) => windowPixel(window, `c${c}`, window.first + x));
    lines.push(`let d${x} = vec4f(${parts.join(', ')});`);
    return `d${x}`;
  });
  const { lines: made, results } = transformInput('b', pixels);
  lines.push(...made);
  names.forEach((elements, y) => {
    lines.push(`let w${y} = MATRIX[i][${y}];`);
    elements.forEach((name, x) => {
      lines.push(`${name} += w${y} * ${results[x]};`);
    });
  });
  lines.push('}');
  lines.push(...storeAll('transformed', names.flat(), 'to', 'sizes.pitch'));
  return lines.map((line) => `  ${line}`);
}
