import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type Kernel, spreadWorkgroups } from '../../kernel.ts';
import type { ChannelSlice } from '../geometry.ts';
import { type Window, windowColumns, windowFunctions, windowKey } from '../window.ts';
import { indices, type Matrix, matrixColumns, storeAll } from './filtering.ts';
import { type Chunk, TILE_PLACE, type WinogradTiles } from './tiles.ts';

/*
 * What the transforms of pixels have in common: an invocation takes one tile, and of it the planes that one vec4
 * of the result is made of, and stores a transformed patch in the order of `tiles.ts`.
 */

export interface TileTransform {
  /** What tells the body from others, besides the window. */
  readonly name: string;
  readonly window: Window;
  readonly matrix: Matrix;
  readonly height: number;
  readonly width: number;
  readonly slice: ChannelSlice;
  /** Planes of an image. */
  readonly channels: number;
  /** vec4s of the result a tile, and image planes that each is made of. */
  readonly quads: number;
  readonly planes: 1 | 4;
  /** Transforms of every tile and quad, `parity` in the body; default 1. */
  readonly parities?: number;
  /** vec4s from one k to the next in the result. */
  readonly pitch: number;
  /** Rows that the body's loop, over `sizes.patchSize`, takes. */
  readonly rows: number;
  /** Names of the result's elements, in the order of k, that the body defines. */
  readonly elements: readonly string[];
  /**
   * WGSL. It finds `tile`, its `item`, `tileY`, `tileX`, the window's columns of `image`, `plane` (where the first
   * plane starts), `plane0` … (where each starts from there), `parity`, and `mine`, which differs from `tile` where there is no tile.
   */
  readonly body: readonly string[];
}

/** Bindings: image, image, result, sizes. */
export function tileTransform(
  transform: TileTransform,
  tiles: WinogradTiles,
  chunk: Chunk,
): Kernel {
  const { window, height, width, slice, quads, planes, parities = 1, elements } = transform;
  const { lanes, laneTiles, blockTiles } = tiles;
  return {
    key: `${transform.name}.${windowKey(window)}.${lanes}x${laneTiles}`,
    bindings: ['read', 'read', 'write', 'read'],
    requires: window.exchanged ? ['subgroups'] : [],
    workgroups: spreadWorkgroups(chunk.blocks * parities * quads * laneTiles),
    constants: [
      chunk.first,
      chunk.blocks,
      parities,
      quads,
      transform.pitch,
      tiles.tiles,
      tiles.tilesX,
      tiles.tilesY,
      height,
      width,
      slice.channels * height * width,
      slice.first * height * width,
      transform.rows,
      elements.length,
      transform.channels,
    ],
    code: () => wgsl`
#if ${window.exchanged}
enable subgroups;
#endif
struct Sizes {
  firstBlock: u32, blocks: u32, parities: u32, quads: u32, pitch: u32, tiles: u32, tilesX: u32, tilesY: u32,
  height: i32, width: i32, imagePitch: u32, imageStart: u32, patchSize: u32, stores: u32, channels: u32,
}
@group(0) @binding(0) var<storage, read> imageVectors: array<vec4f>;
@group(0) @binding(1) var<storage, read> imagePixels: array<f32>;
@group(0) @binding(2) var<storage, read_write> transformed: array<vec4f>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${matrixColumns(transform.matrix)}
${windowFunctions(window.mode)}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * groups.x + group.x;
  if (index >= sizes.blocks * sizes.parities * sizes.quads * ${laneTiles}u) { return; }
  let place = (index % ${laneTiles}u) * ${lanes}u + lane;
  let quad = (index / ${laneTiles}u) % sizes.quads;
  let part = index / (${laneTiles}u * sizes.quads);
  let parity = part % sizes.parities;
  // Tiles beyond the end repeat the last one, whose outputs are not stored; but their cotangents are zeros.
  let mine = (sizes.firstBlock + part / sizes.parities) * ${blockTiles}u + place;
  let tile = min(mine, sizes.tiles - 1u);
${TILE_PLACE}
  ${windowColumns(window, 'image', 'tileX', 'sizes.width').join('\n  ')}
  let planePitch = u32(sizes.height) * u32(sizes.width);
  let plane = item * sizes.imagePitch + sizes.imageStart + ${planes}u * quad * planePitch;
  // Channels beyond the end repeat the last one; their weights are zeros.
${indices(planes)
  .map((c) => `  let plane${c} = min(${c}u, sizes.channels - 1u - ${planes}u * quad) * planePitch;`)
  .join('\n')}
  let to = part * sizes.stores * sizes.pitch + quad * ${blockTiles}u + place;
${[...transform.body, ...storeAll('transformed', elements, 'to', 'sizes.pitch')].map((line) => `  ${line}`).join('\n')}
}
`,
  };
}
