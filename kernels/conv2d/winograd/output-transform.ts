import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { floatBits, type Kernel, spreadWorkgroups } from '../../kernel.ts';
import type { Correlation } from '../correlation-spec.ts';
import { EPILOGUE_ACTIVATION, epilogueCode, epilogueSlope } from '../epilogue.ts';
import {
  addContribution,
  elementNames,
  type Filtering,
  indices,
  matrixColumns,
  TILE,
  zeros,
} from './filtering.ts';
import { type Chunk, LANE_TILES, TILE_PLACE, type WinogradTiles } from './tiles.ts';

/*
 * y = f(Aᵀ M A + bias) for every tile and row, M in the order of `tiles.ts`. One invocation makes four
 * rows (channels of y) of a tile; what a tile has beyond the image is not stored.
 */

const COMPONENTS = 'xyzw';

/** Bindings: M, bias (any storage if there is none), output, sizes. */
export function transformWinogradOutput(
  spec: Correlation,
  filtering: Filtering,
  tiles: WinogradTiles,
  chunk: Chunk,
): Kernel {
  const { rows, outHeight, outWidth, bias, activation, accumulate = false } = spec;
  const { outputSlice = { first: 0, channels: rows } } = spec;
  const { lanes, tilesX, tilesY, rowQuads, blockTiles, productPitch } = tiles;
  const aligned = outWidth % TILE === 0;
  return {
    key: `winogradoutput${filtering.taps}.${aligned ? 'v' : 's'}.${lanes}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(chunk.blocks * rowQuads * LANE_TILES),
    constants: [
      chunk.first,
      chunk.blocks,
      rowQuads,
      productPitch,
      tiles.tiles,
      tilesX,
      tilesY,
      outputSlice.channels,
      outputSlice.first,
      outHeight,
      outWidth,
      bias ? 1 : 0,
      epilogueCode(activation),
      floatBits(epilogueSlope(activation)),
      accumulate ? 1 : 0,
      filtering.patch,
    ],
    code: () => wgsl`
struct Sizes {
  firstBlock: u32, blocks: u32, rowQuads: u32, pitch: u32, tiles: u32, tilesX: u32, tilesY: u32,
  outputRows: u32, outputFirst: u32, outHeight: u32, outWidth: u32,
  biased: u32, activation: u32, slope: u32, accumulate: u32, patchSize: u32,
}
@group(0) @binding(0) var<storage, read> products: array<vec4f>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<${aligned ? 'vec4f' : 'f32'}>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${matrixColumns(filtering.outputMatrix)}
${EPILOGUE_ACTIVATION}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * groups.x + group.x;
  if (index >= sizes.blocks * sizes.rowQuads * ${LANE_TILES}u) { return; }
  let place = (index % ${LANE_TILES}u) * ${lanes}u + lane;
  let quad = (index / ${LANE_TILES}u) % sizes.rowQuads;
  let block = index / (${LANE_TILES}u * sizes.rowQuads);
  let tile = (sizes.firstBlock + block) * ${blockTiles}u + place;
  if (tile >= sizes.tiles) { return; }
${TILE_PLACE}
  let start = block * ${filtering.patch ** 2}u * sizes.pitch + quad * ${blockTiles}u + place;
${body(filtering).join('\n')}
  let height = min(${TILE}u, sizes.outHeight - ${TILE}u * tileY);
  // Loops whose bounds the driver cannot see: unrolled, the stores would be most of the code.
  let last = 4u * (quad + 1u);
  for (var o = 4u * quad; o < last; o++) {
    var shift = 0.0;
    if (sizes.biased != 0u) { shift = bias[o]; }
    let channel = item * sizes.outputRows + sizes.outputFirst + o;
    let corner = (channel * sizes.outHeight + ${TILE}u * tileY) * sizes.outWidth + ${TILE}u * tileX;
    for (var y = 0u; y < height; y++) {
      let z = outputs[(o % 4u) * ${TILE}u + y] + shift;
      var value = activate(z, sizes.activation, bitcast<f32>(sizes.slope));
      let to = corner + y * sizes.outWidth;
#if ${aligned}
      if (sizes.accumulate != 0u) { value += result[to / 4u]; }
      result[to / 4u] = value;
#else
      let end = min(${TILE}u, sizes.outWidth - ${TILE}u * tileX);
      for (var x = 0u; x < end; x++) {
        if (sizes.accumulate != 0u) { value[x] += result[to + x]; }
        result[to + x] = value[x];
      }
#endif
    }
  }
}
`,
  };
}

/** WGSL that defines `outputs`: row y of channel j of the four at 4j + y. */
function body(filtering: Filtering): string[] {
  const names = elementNames('y', TILE, TILE);
  const lines = zeros(names);
  lines.push('for (var i = 0u; i < sizes.patchSize; i++) {');
  const elements = indices(filtering.patch).map((y) => {
    lines.push(`let m${y} = products[start + (${filtering.patch * y}u + i) * sizes.pitch];`);
    return `m${y}`;
  });
  const { lines: made, results } = filtering.output('column', elements);
  lines.push(...made);
  lines.push(...addContribution(names, results, 'i', 'y'), '}');
  const vectors = indices(4).flatMap((j) =>
    names.map((row) => `vec4f(${row.map((name) => `${name}.${COMPONENTS[j]}`).join(', ')})`),
  );
  lines.push(`var outputs = array<vec4f, 16>(${vectors.join(', ')});`);
  return lines.map((line) => `  ${line}`);
}
