import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type Kernel, spreadWorkgroups } from '../../kernel.ts';
import type { Correlation } from '../correlation-spec.ts';
import {
  type Window,
  windowColumns,
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
 * V = Bᵀ d B for the data gradient of a convolution of stride 2 (see `halving.ts`): d are the 5×5 values of dy
 * that a tile of outputs of one parity needs. Where the parities of an axis need the same, V is made once,
 * else for each of the four. One invocation transforms four channels of a tile for one parity.
 */

const { patch, inputMatrix } = TWO_TAPS;

/** Bindings: dy, dy, V, sizes. @param spec of the data gradient */
export function transformParities(spec: Correlation, tiles: WinogradTiles, chunk: Chunk): Kernel {
  const { height, width, channels, offsetsX } = spec;
  const { lanes, tilesX, tilesY, blockTiles, channelQuads, inputPitch } = tiles;
  const slice = spec.imageSlice ?? { first: 0, channels };
  const first = Math.min(...offsetsX);
  const window = windowOf({
    stride: 1,
    first,
    end: Math.max(...offsetsX) + patch,
    width,
    quads: tilesX,
    mode: 'zeros',
    rowsInside: first >= 0 && TILE * (tilesY - 1) + Math.max(...offsetsX) + patch <= height,
  });
  const products = patch ** 2;
  const parities = tiles.inputProducts / products;
  return {
    key: `winogradparities.${windowKey(window)}.${lanes}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(chunk.blocks * parities * channelQuads * LANE_TILES),
    constants: [
      chunk.first,
      chunk.blocks,
      parities,
      channelQuads,
      inputPitch,
      tiles.tiles,
      tilesX,
      tilesY,
      height,
      width,
      slice.channels * height * width,
      slice.first * height * width,
      patch,
      products,
    ],
    code: () => wgsl`
struct Sizes {
  firstBlock: u32, blocks: u32, parities: u32, channelQuads: u32, pitch: u32, tiles: u32, tilesX: u32, tilesY: u32,
  height: i32, width: i32, imagePitch: u32, imageStart: u32, patchSize: u32, stores: u32,
}
@group(0) @binding(0) var<storage, read> imageVectors: array<vec4f>;
@group(0) @binding(1) var<storage, read> imagePixels: array<f32>;
@group(0) @binding(2) var<storage, read_write> transformed: array<vec4f>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${matrixColumns(inputMatrix)}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * groups.x + group.x;
  if (index >= sizes.blocks * sizes.parities * sizes.channelQuads * ${LANE_TILES}u) { return; }
  let place = (index % ${LANE_TILES}u) * ${lanes}u + lane;
  let quad = (index / ${LANE_TILES}u) % sizes.channelQuads;
  let parity = (index / (${LANE_TILES}u * sizes.channelQuads)) % sizes.parities;
  let block = index / (${LANE_TILES}u * sizes.channelQuads * sizes.parities);
  // Tiles beyond the end repeat the last one, whose outputs are not stored.
  let tile = min((sizes.firstBlock + block) * ${blockTiles}u + place, sizes.tiles - 1u);
${TILE_PLACE}
  ${windowColumns(window, 'image', 'tileX', 'sizes.width').join('\n  ')}
  let planePitch = u32(sizes.height) * u32(sizes.width);
  let plane = item * sizes.imagePitch + sizes.imageStart + 4u * quad * planePitch;
  let to = (block * sizes.parities + parity) * sizes.stores * sizes.pitch + quad * ${blockTiles}u + place;
  let isLower = parity / 2u;
  let isRight = parity % 2u == 1u;
${body(window).join('\n')}
}
`,
  };
}

/** WGSL of all elements of the transformed patch and their stores. */
function body(window: Window): string[] {
  const names = elementNames('v', patch, patch);
  const { first, end } = window;
  const lines = zeros(names);
  lines.push('for (var i = 0u; i < sizes.patchSize; i++) {');
  const row = `i32(${TILE}u * tileY + i + isLower * ${end - first - patch}u) + ${first}`;
  lines.push(...windowRow(window, 'image', row, 'sizes.height'));
  lines.push('let origin = plane + imageRow * u32(sizes.width);');
  for (const c of indices(4)) {
    lines.push(...windowLoads(window, 'image', `c${c}`, `origin + ${c}u * planePitch`));
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
  lines.push(...storeAll('transformed', names.flat(), 'to', 'sizes.pitch'));
  return lines.map((line) => `  ${line}`);
}
