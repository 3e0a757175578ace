import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { floatBits, type Kernel, spreadWorkgroups } from '../../kernel.ts';
import type { Correlation } from '../correlation-spec.ts';
import { EPILOGUE_ACTIVATION, epilogueCode, epilogueSlope } from '../epilogue.ts';
import { elementNames, indices, matrixColumns, TILE } from './filtering.ts';
import { TWO_TAPS } from './paired-points.ts';
import { type Chunk, LANE_TILES, TILE_PLACE, type WinogradTiles } from './tiles.ts';

/*
 * y = f(Aᵀ M A + bias) of the four parities of every tile and row (see `halving.ts`), woven into 8×8 outputs.
 * One invocation makes four rows (channels of y) of a tile; what a tile has beyond the image is not stored.
 */

const { patch, outputMatrix } = TWO_TAPS;
const PRODUCTS = patch ** 2;
const COMPONENTS = 'xyzw';

/** Bindings: M, bias (any storage if there is none), output, sizes. @param spec of the data gradient */
export function weaveParities(spec: Correlation, tiles: WinogradTiles, chunk: Chunk): Kernel {
  const { rows, outHeight, outWidth, bias, activation, accumulate = false } = spec;
  const { outputSlice = { first: 0, channels: rows } } = spec;
  const { lanes, tilesX, tilesY, rowQuads, blockTiles, productPitch } = tiles;
  const aligned = outWidth % 4 === 0;
  return {
    key: `winogradweave.${aligned ? 'v' : 's'}.${lanes}`,
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
      patch,
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
${matrixColumns(outputMatrix)}
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
  let x0 = ${2 * TILE}u * tileX;
  for (var lower = 0u; lower < 2u; lower++) {
    let start = (4u * block + 2u * lower) * ${PRODUCTS}u * sizes.pitch + quad * ${blockTiles}u + place;
${body().join('\n')}
    // Loops whose bounds the driver cannot see: unrolled, the stores would be most of the code.
    let last = 4u * (quad + 1u);
    for (var o = 4u * quad; o < last; o++) {
      var shift = 0.0;
      if (sizes.biased != 0u) { shift = bias[o]; }
      let channel = item * sizes.outputRows + sizes.outputFirst + o;
      for (var v = 0u; v < ${2 * TILE}u; v++) {
        let y = ${2 * TILE}u * tileY + (v & 6u) + lower;
        let x = x0 + 4u * (v & 1u);
        if (y >= sizes.outHeight || x >= sizes.outWidth) { continue; }
        let z = outputs[(o % 4u) * ${2 * TILE}u + v] + shift;
        var value = activate(z, sizes.activation, bitcast<f32>(sizes.slope));
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
    }
  }
}
`,
  };
}

/** WGSL that defines `outputs`: columns 4h … 4h + 3 of row 2y + lower of channel j at 8j + 2y + h. */
function body(): string[] {
  const parities = ['l', 'r'].map((name) => elementNames(name, TILE, TILE));
  const lines = parities.flat(2).map((name) => `var ${name} = vec4f(0.0);`);
  lines.push('for (var i = 0u; i < sizes.patchSize; i++) {');
  for (const x of indices(TILE)) lines.push(`let w${x} = MATRIX[i][${x}];`);
  parities.forEach((names, right) => {
    const elements = indices(patch).map((y) => {
      const k = `${right * PRODUCTS + patch * y}u + i`;
      lines.push(`let m${right}_${y} = products[start + (${k}) * sizes.pitch];`);
      return `m${right}_${y}`;
    });
    const { lines: made, results } = TWO_TAPS.output(right ? 'right' : 'left', elements);
    lines.push(...made);
    for (const x of indices(TILE)) {
      for (const y of indices(TILE)) lines.push(`${names[y][x]} += w${x} * ${results[y]};`);
    }
  });
  lines.push('}');
  const [left, right] = parities;
  const vectors = indices(4).flatMap((j) =>
    indices(TILE).flatMap((y) =>
      [0, 2].map((x) => {
        const woven = [left[y][x], right[y][x], left[y][x + 1], right[y][x + 1]];
        return `vec4f(${woven.map((name) => `${name}.${COMPONENTS[j]}`).join(', ')})`;
      }),
    ),
  );
  lines.push(`var outputs = array<vec4f, ${vectors.length}>(${vectors.join(', ')});`);
  return lines.map((line) => `    ${line}`);
}
