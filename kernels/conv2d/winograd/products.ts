import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type Kernel, spreadWorkgroups } from '../../kernel.ts';
import type { Chunk, WinogradTiles } from './tiles.ts';

/*
 * M[k] = U[k] V[k] for every k, in the order of `tiles.ts`.
 *
 * As in `correlation.ts` a lane owns up to 32 rows of 4 places (or 2), here tiles, and lanes pass the weights, which
 * all of them need, round by broadcast. A step sums four channels. Workgroups of the same k and rows
 * follow each other, so their weights stay in cache.
 */

const COMPONENTS = 'xyzw';

/** Bindings: U, V, M, sizes. */
export function multiplyWinograd(tiles: WinogradTiles, chunk: Chunk): Kernel {
  const { lanes, laneTiles, blockTiles, rowsPerLane, rowBlocks, rowQuads, channelQuads } = tiles;
  return {
    key: `winogradproducts.${lanes}x${laneTiles}x${rowsPerLane}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(tiles.products * rowBlocks * chunk.blocks),
    requires: ['subgroups'],
    constants: [
      tiles.products,
      tiles.inputProducts,
      chunk.blocks,
      rowBlocks,
      rowQuads,
      channelQuads,
      tiles.inputPitch,
      tiles.productPitch,
    ],
    code: () => wgsl`
enable subgroups;
struct Sizes {
  products: u32, inputProducts: u32, blocks: u32, rowBlocks: u32, rowQuads: u32, channelQuads: u32, inputPitch: u32, productPitch: u32,
}
@group(0) @binding(0) var<storage, read> weights: array<vec4f>;
@group(0) @binding(1) var<storage, read> pixels: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> products: array<vec4f>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * groups.x + group.x;
  if (index >= sizes.products * sizes.rowBlocks * sizes.blocks) { return; }
  let block = index % sizes.blocks;
  let rowBlock = (index / sizes.blocks) % sizes.rowBlocks;
  let k = index / (sizes.blocks * sizes.rowBlocks);
  var weight = (k * sizes.rowBlocks + rowBlock) * sizes.channelQuads * ${rowsPerLane}u + lane;
  var pixel = (block * sizes.inputProducts + k % sizes.inputProducts) * sizes.inputPitch + lane;
${Array.from({ length: rowsPerLane }, (_, r) => `  var sum${r} = vec${laneTiles}f(0.0);`).join('\n')}
  for (var c = 0u; c < sizes.channelQuads; c++) {
${step(tiles).join('\n')}
    weight += ${rowsPerLane}u;
    pixel += ${blockTiles}u;
  }
  let quad = rowBlock * ${rowsPerLane / 4}u;
  let to = (block * sizes.products + k) * sizes.productPitch + quad * ${blockTiles}u + lane;
${stores(tiles).join('\n')}
}
`,
  };
}

function step({ lanes, laneTiles, rowsPerLane }: WinogradTiles): string[] {
  const lines: string[] = [];
  for (let part = 0; part < rowsPerLane / lanes; part++) {
    lines.push(`let held${part} = weights[weight + ${part * lanes}u];`);
  }
  for (let i = 0; i < laneTiles; i++) lines.push(`let v${i} = pixels[pixel + ${i * lanes}u];`);
  for (let c = 0; c < 4; c++) {
    const parts = Array.from({ length: laneTiles }, (_, i) => `v${i}.${COMPONENTS[c]}`);
    lines.push(`let x${c} = vec${laneTiles}f(${parts.join(', ')});`);
  }
  for (let r = 0; r < rowsPerLane; r++) {
    lines.push(`let w${r} = subgroupBroadcast(held${Math.floor(r / lanes)}, ${r % lanes}u);`);
    const terms = [0, 1, 2, 3].map((c) => `w${r}.${COMPONENTS[c]} * x${c}`);
    lines.push(`sum${r} = sum${r} + ${terms.join(' + ')};`);
  }
  return lines.map((line) => `    ${line}`);
}

function stores({ lanes, laneTiles, blockTiles, rowsPerLane }: WinogradTiles): string[] {
  const lines: string[] = [];
  for (let q = 0; q < rowsPerLane / 4; q++) {
    lines.push(`if (quad + ${q}u < sizes.rowQuads) {`);
    for (let i = 0; i < laneTiles; i++) {
      const parts = [0, 1, 2, 3].map((j) => `sum${4 * q + j}.${COMPONENTS[i]}`);
      lines.push(`  products[to + ${q * blockTiles + i * lanes}u] = vec4f(${parts.join(', ')});`);
    }
    lines.push('}');
  }
  return lines.map((line) => `  ${line}`);
}
