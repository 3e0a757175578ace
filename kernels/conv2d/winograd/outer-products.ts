import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type Kernel, spreadWorkgroups } from '../../kernel.ts';
import type { Chunk, WinogradTiles } from './tiles.ts';

/*
 * dU[k][r][c] = Σ_tile D[k][r][tile] · V[k][c][tile] for every k; D and V in the order of `tiles.ts`, dU as
 * [k][row][channel].
 *
 * A lane owns four channels of up to 32 rows; lanes of a subgroup take consecutive quads of channels. A step
 * adds four tiles: lanes share the loads of D, which all of them need, by broadcast. The first chunk of
 * tiles sets dU, others add to it.
 */

const COMPONENTS = 'xyzw';
/** Tiles a step. */
const STEP = 4;

/** Bindings: D, V, dU, sizes. */
export function multiplyWinogradTiles(tiles: WinogradTiles, chunk: Chunk): Kernel {
  const { lanes, blockTiles, rowsPerLane, rowBlocks, rowQuads, channelQuads } = tiles;
  const laneGroups = Math.ceil(channelQuads / lanes);
  return {
    key: `winogradouter.${lanes}x${blockTiles / lanes}x${rowsPerLane}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(tiles.products * rowBlocks * laneGroups),
    requires: ['subgroups'],
    constants: [
      tiles.products,
      chunk.blocks,
      rowBlocks,
      rowQuads,
      channelQuads,
      laneGroups,
      tiles.inputPitch,
      tiles.productPitch,
      blockTiles / STEP,
      chunk.first > 0 ? 1 : 0,
    ],
    code: () => wgsl`
enable subgroups;
struct Sizes {
  products: u32, blocks: u32, rowBlocks: u32, rowQuads: u32, channelQuads: u32, laneGroups: u32, inputPitch: u32,
  cotangentPitch: u32, steps: u32, accumulate: u32,
}
@group(0) @binding(0) var<storage, read> cotangents: array<vec4f>;
@group(0) @binding(1) var<storage, read> pixels: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> products: array<vec4f>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * groups.x + group.x;
  if (index >= sizes.products * sizes.rowBlocks * sizes.laneGroups) { return; }
  let quad = (index % sizes.laneGroups) * ${lanes}u + lane;
  let rowBlock = (index / sizes.laneGroups) % sizes.rowBlocks;
  let k = index / (sizes.laneGroups * sizes.rowBlocks);
  // Lanes beyond the end help with the cotangents and store nothing.
  let channelStart = min(quad, sizes.channelQuads - 1u) * ${blockTiles}u;
${cotangentStarts(tiles).join('\n')}
${Array.from({ length: rowsPerLane }, (_, r) => `  var sum${r} = vec4f(0.0);`).join('\n')}
  for (var b = 0u; b < sizes.blocks; b++) {
    var pixel = (b * sizes.products + k) * sizes.inputPitch + channelStart;
    var cotangent = (b * sizes.products + k) * sizes.cotangentPitch;
    for (var t = 0u; t < sizes.steps; t++) {
${step(tiles).join('\n')}
      pixel += ${STEP}u;
      cotangent += ${STEP}u;
    }
  }
  if (quad >= sizes.channelQuads) { return; }
  var sums = array<vec4f, ${rowsPerLane}>(${Array.from({ length: rowsPerLane }, (_, r) => `sum${r}`).join(', ')});
  // A loop whose bound the driver cannot see: unrolled, the stores would be most of the code.
  let rows = min(${rowsPerLane}u, 4u * sizes.rowQuads - rowBlock * ${rowsPerLane}u);
  for (var r = 0u; r < rows; r++) {
    let to = (k * 4u * sizes.rowQuads + rowBlock * ${rowsPerLane}u + r) * sizes.channelQuads + quad;
    var value = sums[r];
    if (sizes.accumulate != 0u) { value += products[to]; }
    products[to] = value;
  }
}
`,
  };
}

/** Loads of a lane in a step that together bring its vec4s of D: of four rows and one tile each. */
function heldParts(rowsPerLane: number, lanes: number): number {
  return Math.ceil(((rowsPerLane / 4) * STEP) / lanes);
}

/** WGSL of where, in a step, the vec4s of D are that the lane loads: number v is of rows v/4, tile v%4. */
function cotangentStarts({ lanes, blockTiles, rowsPerLane }: WinogradTiles): string[] {
  return Array.from({ length: heldParts(rowsPerLane, lanes) }, (_, part) => {
    const v = `${part * lanes}u + lane`;
    const row = `min(rowBlock * ${rowsPerLane / 4}u + (${v}) / ${STEP}u, sizes.rowQuads - 1u)`;
    return `  let start${part} = ${row} * ${blockTiles}u + (${v}) % ${STEP}u;`;
  });
}

function step({ lanes, rowsPerLane }: WinogradTiles): string[] {
  const lines: string[] = [];
  for (let part = 0; part < heldParts(rowsPerLane, lanes); part++) {
    lines.push(`let held${part} = cotangents[cotangent + start${part}];`);
  }
  for (let t = 0; t < STEP; t++) lines.push(`let v${t} = pixels[pixel + ${t}u];`);
  for (let q = 0; q < rowsPerLane / 4; q++) {
    for (let t = 0; t < STEP; t++) {
      const v = q * STEP + t;
      lines.push(
        `let d${q}_${t} = subgroupBroadcast(held${Math.floor(v / lanes)}, ${v % lanes}u);`,
      );
    }
    for (let j = 0; j < 4; j++) {
      const terms = Array.from({ length: STEP }, (_, t) => `d${q}_${t}.${COMPONENTS[j]} * v${t}`);
      lines.push(`sum${4 * q + j} = sum${4 * q + j} + ${terms.join(' + ')};`);
    }
  }
  return lines.map((line) => `      ${line}`);
}
