import type { Kernel } from '../../kernel.ts';
import type { Correlation } from '../correlation-spec.ts';
import type { ChannelSlice, PaddingMode } from '../geometry.ts';
import { type Window, windowLoads, windowOf, windowPixel, windowRow } from '../window.ts';
import {
  addContribution,
  elementNames,
  type Filtering,
  indices,
  TILE,
  transposed,
  zeros,
} from './filtering.ts';
import { requireFiltering } from './filterings.ts';
import { type TileTransform, tileTransform } from './tile-transform.ts';
import type { Chunk, WinogradTiles } from './tiles.ts';

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
  readonly channels: number;
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
    channels,
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
    channels: rows,
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
  const { height, width, mode, first, size, slice, channels, channelQuads, pitch } = image;
  const window = windowOf({
    stride: 1,
    first,
    end: first + size,
    width,
    quads: tiles.tilesX,
    lanes: tiles.lanes,
    mode,
    rowsInside: first >= 0 && TILE * (tiles.tilesY - 1) + first + size <= height,
  });
  const isInput = size !== TILE;
  const names = elementNames('v', filtering.patch, filtering.patch);
  const transform: TileTransform = {
    name: `winogradtiles${filtering.taps}`,
    window,
    matrix: isInput ? filtering.inputMatrix : transposed(filtering.outputMatrix),
    ...{ height, width, slice, channels, pitch },
    quads: channelQuads,
    planes: 4,
    rows: size,
    elements: names.flat(),
    body: body(names, window, filtering, isInput),
  };
  return tileTransform(transform, tiles, chunk);
}

/** WGSL of all elements of the transformed patch. */
function body(
  names: readonly (readonly string[])[],
  window: Window,
  filtering: Filtering,
  isInput: boolean,
): string[] {
  const lines = zeros(names);
  lines.push('for (var i = 0u; i < sizes.patchSize; i++) {');
  const row = `i32(${TILE}u * tileY + i) + ${window.first}`;
  lines.push(...windowRow(window, 'image', row, 'sizes.height'));
  lines.push('let origin = plane + imageRow * u32(sizes.width);');
  for (let c = 0; c < 4; c++) {
    lines.push(...windowLoads(window, 'image', `c${c}`, `origin + plane${c}`));
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
  return lines;
}
