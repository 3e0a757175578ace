import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { floatBits, type Kernel, spreadWorkgroups } from '../../kernel.ts';
import type { Correlation } from '../correlation-spec.ts';
import { EPILOGUE_ACTIVATION, epilogueCode, epilogueSlope } from '../epilogue.ts';
import { type Filtering, matrixColumns } from './filtering.ts';
import { type Chunk, TILE_PLACE, type WinogradTiles } from './tiles.ts';

/*
 * What the transforms of products have in common: an invocation takes four rows (channels of y) of a tile of M
 * and stores four outputs side by side at a time, y = f(sum + bias), or adds them to what is there. What a tile
 * has beyond the image is not stored.
 */

export interface TileOutput {
  readonly name: string;
  readonly filtering: Filtering;
  readonly spec: Correlation;
  /**
   * WGSL. It finds `item`, `tileY`, `tileX`, `block`, `quad`, `channels` (of the four rows how many there are),
   * `start` (where the tile's products with k = 0 are), and calls `store(item, row, y, x, sums)` for its outputs at (y, x) inside of the image, and the three after it.
   */
  readonly body: readonly string[];
}

/** Bindings: M, bias (any storage if there is none), output, sizes. */
export function tileOutput(
  { name, filtering, spec, body }: TileOutput,
  tiles: WinogradTiles,
  chunk: Chunk,
): Kernel {
  const { rows, outHeight, outWidth, bias, activation, accumulate = false } = spec;
  const { outputSlice = { first: 0, channels: rows } } = spec;
  const { lanes, laneTiles, rowQuads, blockTiles } = tiles;
  const aligned = outWidth % 4 === 0;
  return {
    key: `${name}.${aligned ? 'v' : 's'}.${lanes}x${laneTiles}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(chunk.blocks * rowQuads * laneTiles),
    constants: [
      chunk.first,
      chunk.blocks,
      rowQuads,
      tiles.products,
      tiles.productPitch,
      tiles.tiles,
      tiles.tilesX,
      tiles.tilesY,
      outputSlice.channels,
      outputSlice.first,
      outHeight,
      outWidth,
      bias ? 1 : 0,
      epilogueCode(activation),
      floatBits(epilogueSlope(activation)),
      accumulate ? 1 : 0,
      filtering.patch,
      rows,
    ],
    code: () => wgsl`
struct Sizes {
  firstBlock: u32, blocks: u32, rowQuads: u32, products: u32, pitch: u32, tiles: u32, tilesX: u32, tilesY: u32,
  outputRows: u32, outputFirst: u32, outHeight: u32, outWidth: u32,
  biased: u32, activation: u32, slope: u32, accumulate: u32, patchSize: u32, rows: u32,
}
@group(0) @binding(0) var<storage, read> products: array<vec4f>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<${aligned ? 'vec4f' : 'f32'}>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${matrixColumns(filtering.outputMatrix)}
${EPILOGUE_ACTIVATION}

fn store(item: u32, row: u32, y: u32, x: u32, sums: vec4f) {
  var shift = 0.0;
  if (sizes.biased != 0u) { shift = bias[row]; }
  var value = activate(sums + shift, sizes.activation, bitcast<f32>(sizes.slope));
  let channel = item * sizes.outputRows + sizes.outputFirst + row;
  let to = (channel * sizes.outHeight + y) * sizes.outWidth + x;
#if ${aligned}
  if (sizes.accumulate != 0u) { value += result[to / 4u]; }
  result[to / 4u] = value;
#else
  let end = min(4u, sizes.outWidth - x);
  for (var e = 0u; e < end; e++) {
    if (sizes.accumulate != 0u) { value[e] += result[to + e]; }
    result[to + e] = value[e];
  }
#endif
}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * groups.x + group.x;
  if (index >= sizes.blocks * sizes.rowQuads * ${laneTiles}u) { return; }
  let place = (index % ${laneTiles}u) * ${lanes}u + lane;
  let quad = (index / ${laneTiles}u) % sizes.rowQuads;
  let block = index / (${laneTiles}u * sizes.rowQuads);
  let tile = (sizes.firstBlock + block) * ${blockTiles}u + place;
  if (tile >= sizes.tiles) { return; }
  let channels = min(4u, sizes.rows - 4u * quad);
${TILE_PLACE}
  let start = block * sizes.products * sizes.pitch + quad * ${blockTiles}u + place;
${body.map((line) => `  ${line}`).join('\n')}
}
`,
  };
}
