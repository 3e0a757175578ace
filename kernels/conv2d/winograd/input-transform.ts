import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type Kernel, spreadWorkgroups } from '../../kernel.ts';
import type { Correlation } from '../correlation-spec.ts';
import type { ChannelSlice, PaddingMode } from '../geometry.ts';
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
  type Filtering,
  indices,
  matrixColumns,
  storeAll,
  TILE,
  transposed,
  zeros,
} from './filtering.ts';
import { requireFiltering } from './filterings.ts';
import { type Chunk, LANE_TILES, TILE_PLACE, type WinogradTiles } from './tiles.ts';

/*
 * V = Bᵀ d B for every tile and channel, in the order of `tiles.ts`; d are the pixels that a tile
 * needs of the image extended by zeros or reflection. For the weight gradient, likewise, D = A y Aᵀ; y are
 * a tile's 4×4 pixels of the output's cotangent. One invocation transforms four channels of a tile.
 */

/** Planes cut into tiles. */
interface TiledImage {
  readonly height: number;
  readonly width: number;
  readonly mode: PaddingMode;
  /** Where, relative to a tile's outputs, its pixels start; and how many they are a side. */
  readonly first: number;
  readonly size: number;
  readonly slice: ChannelSlice;
  readonly channelQuads: number;
  /** vec4s from one k to the next in the result. */
  readonly pitch: number;
}

/** Bindings: image, image, V, sizes. */
export function transformWinogradInput(
  spec: Correlation,
  tiles: WinogradTiles,
  chunk: Chunk,
): Kernel {
  const { height, width, channels, mode } = spec;
  const filtering = requireFiltering(spec.tapsX);
  const image: TiledImage = {
    height,
    width,
    mode,
    first: spec.offsetsX[0],
    size: filtering.patch,
    slice: spec.imageSlice ?? { first: 0, channels },
    channelQuads: tiles.channelQuads,
    pitch: tiles.inputPitch,
  };
  return transformTiles(image, filtering, tiles, chunk);
}

/** Bindings: cotangent of the correlation's output, the same, D, sizes. */
export function transformWinogradCotangent(
  { outHeight, outWidth, rows }: Pick<Correlation, 'outHeight' | 'outWidth' | 'rows'>,
  filtering: Filtering,
  tiles: WinogradTiles,
  chunk: Chunk,
): Kernel {
  const image: TiledImage = {
    height: outHeight,
    width: outWidth,
    mode: 'zeros',
    first: 0,
    size: TILE,
    slice: { first: 0, channels: rows },
    channelQuads: tiles.rowQuads,
    pitch: tiles.productPitch,
  };
  return transformTiles(image, filtering, tiles, chunk);
}

function transformTiles(
  image: TiledImage,
  filtering: Filtering,
  tiles: WinogradTiles,
  chunk: Chunk,
): Kernel {
  const { height, width, mode, first, size, slice, channelQuads, pitch } = image;
  const { lanes, tilesX, tilesY, blockTiles } = tiles;
  const window = windowOf({
    stride: 1,
    first,
    end: first + size,
    width,
    quads: tilesX,
    mode,
    rowsInside: first >= 0 && TILE * (tilesY - 1) + first + size <= height,
  });
  const isInput = size !== TILE;
  const products = filtering.patch ** 2;
  return {
    key: `winogradtiles${filtering.taps}.${windowKey(window)}.${lanes}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(chunk.blocks * channelQuads * LANE_TILES),
    constants: [
      chunk.first,
      chunk.blocks,
      channelQuads,
      pitch,
      tiles.tiles,
      tilesX,
      tilesY,
      height,
      width,
      slice.channels * height * width,
      slice.first * height * width,
      size,
      products,
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
${matrixColumns(isInput ? filtering.inputMatrix : transposed(filtering.outputMatrix))}
${windowFunctions(window.mode)}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * groups.x + group.x;
  if (index >= sizes.blocks * sizes.channelQuads * ${LANE_TILES}u) { return; }
  let place = (index % ${LANE_TILES}u) * ${lanes}u + lane;
  let quad = (index / ${LANE_TILES}u) % sizes.channelQuads;
  let block = index / (${LANE_TILES}u * sizes.channelQuads);
  // Tiles beyond the end repeat the last one, whose outputs are not stored; but their cotangents are zeros.
  let mine = (sizes.firstBlock + block) * ${blockTiles}u + place;
  let tile = min(mine, sizes.tiles - 1u);
${TILE_PLACE}
  ${windowColumns(window, 'image', 'tileX', 'sizes.width').join('\n  ')}
  let planePitch = u32(sizes.height) * u32(sizes.width);
  let plane = item * sizes.imagePitch + sizes.imageStart + 4u * quad * planePitch;
  let to = block * sizes.stores * sizes.pitch + quad * ${blockTiles}u + place;
${body(window, filtering, isInput).join('\n')}
}
`,
  };
}

/** WGSL of all elements of the transformed patch, called `v{y}_{x}`, and their stores. */
function body(window: Window, filtering: Filtering, isInput: boolean): string[] {
  const names = elementNames('v', filtering.patch, filtering.patch);
  const lines = zeros(names);
  lines.push('for (var i = 0u; i < sizes.patchSize; i++) {');
  const row = `i32(${TILE}u * tileY + i) + ${window.first}`;
  lines.push(...windowRow(window, 'image', row, 'sizes.height'));
  lines.push('let origin = plane + imageRow * u32(sizes.width);');
  for (let c = 0; c < 4; c++) {
    lines.push(...windowLoads(window, 'image', `c${c}`, `origin + ${c}u * planePitch`));
  }
  const pixels = indices(window.end - window.first).map((x) => {
    const parts = [0, 1, 2, 3].map((c) => windowPixel(window, `c${c}`, window.first + x));
    const pixel = `vec4f(${parts.join(', ')})`;
    lines.push(`let d${x} = ${isInput ? pixel : `select(vec4f(0.0), ${pixel}, mine == tile)`};`);
    return `d${x}`;
  });
  const transform = isInput ? filtering.input : filtering.cotangent;
  const { lines: made, results } = transform('b', pixels);
  lines.push(...made);
  lines.push(...addContribution(names, results, 'i', 'x'), '}');
  lines.push(...storeAll('transformed', names.flat(), 'to', 'sizes.pitch'));
  return lines.map((line) => `  ${line}`);
}
