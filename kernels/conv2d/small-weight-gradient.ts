import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type AdapterProfile, type Kernel, type Plan, spreadWorkgroups } from '../kernel.ts';
import { linearMain, linearWorkgroups } from '../linear.ts';
import {
  COLUMN_SIZES,
  columnConstants,
  columnFunctions,
  columnSizes,
  repeat,
  TILE_VECTORS,
} from './columns.ts';
import { type ConvGeometry, outHeight, outWidth, roundUp } from './geometry.ts';

/*
 * Weight gradient of small maps: a matrix product over few pixels p = (n,oy,ox),
 *
 *   dw[o,k] = Σ_p dy[o,p]·X[p,k]      X[p,k] = x̄[n, c, s·oy+ky, s·ox+kx],  k = (c,ky,kx)
 *
 * On CPU drivers a load of a vec4 takes as long as a dozen multiply-adds, and as much code: its bounds are checked lane
 * by lane. One from workgroup memory takes half of that. So a subgroup keeps its columns of X there and goes
 * through all rows of dw with them:
 *
 *            k: one vec4 a lane, up to 8 where pixels are fewer
 *          ┌────────────────────┐
 *          │ X, up to 128 pixels│  read from the image once, by the lanes that use it: no barrier
 *          └────────────────────┘
 *     p      ┌────────────────────┐
 *   ┌─────┐  │                    │
 *   │ dy  │  │ 16 rows of dw      │  a step: 4 pixels; lanes load the vec4s of dy for each other
 *   └─────┘  │                    │  and pass them on by broadcast
 *      ⋮     └────────────────────┘
 *
 * dy is put into the order in which it is read first, four pixels of a row to a vec4.
 */

/** vec4s of k that a lane has columns of, at most. */
const MOST_SPAN = 8;
/** Rows of dw that a subgroup makes at a time. */
const ROWS = 16;
/** Workgroups that are enough for any processor; beyond, rows share a tile of X. */
const ENOUGH_WORKGROUPS = 64;

/**
 * Quads [row block][p/4][16 rows] of dy [N,O,OH,OW], zeros beyond the last row and pixel. An invocation
 * makes one vec4. Bindings: dy, quads, sizes.
 */
function cotangentQuads(g: ConvGeometry): Kernel {
  const { pixels, rows } = columnSizes(g);
  const quads = Math.ceil(pixels / 4);
  const count = Math.ceil(rows / ROWS) * quads * ROWS;
  return {
    key: 'columns.quads',
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(count),
    constants: [count, quads, rows, pixels, outHeight(g) * outWidth(g)],
    code: () => wgsl`
struct Sizes { count: u32, quads: u32, rows: u32, pixels: u32, plane: u32 }
@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;

${linearMain('sizes.count')}
  let block = index / ${ROWS}u;
  let row = block / sizes.quads * ${ROWS}u + index % ${ROWS}u;
  let first = block % sizes.quads * 4u;
  var item = first / sizes.plane;
  var place = first % sizes.plane;
  var values = vec4f(0.0);
  for (var i = 0u; i < 4u; i++) {
    if (row < sizes.rows && first + i < sizes.pixels) {
      values[i] = dy[(item * sizes.rows + row) * sizes.plane + place];
    }
    place++;
    if (place == sizes.plane) { place = 0u; item++; }
  }
  result[index] = values;
}
`,
  };
}

/** dw (+)= the product. Bindings: x, quads of dy, dw, sizes. */
function pixelTiles(g: ConvGeometry, accumulate: boolean, profile: AdapterProfile): Kernel {
  const { pixels, rows, taps } = columnSizes(g);
  const lanes = profile.subgroupSize;
  const tile = TILE_VECTORS / lanes;
  const vectors = taps / 4;
  const span = Math.max(1, Math.min(MOST_SPAN, Math.floor(tile / roundUp(pixels, 4))));
  // Pixels that the tile has of each vec4.
  const depth = span > 1 ? roundUp(pixels, 4) : tile;
  const blocks = Math.ceil(vectors / (lanes * span));
  const rowBlocks = Math.ceil(rows / ROWS);
  const share = Math.ceil(rowBlocks / Math.ceil(ENOUGH_WORKGROUPS / blocks));
  const parts = Math.ceil(rowBlocks / share);
  return {
    key: `columns.tiles.${g.paddingMode}.${lanes}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(blocks * parts),
    requires: ['subgroups'],
    constants: [
      ...[blocks, blocks * parts, share, rowBlocks, rows, pixels, vectors, accumulate ? 1 : 0],
      ...[span, depth],
      ...columnConstants(g),
    ],
    code: () => wgsl`
enable subgroups;
struct Sizes {
  blocks: u32, workgroups: u32, share: u32, rowBlocks: u32, rows: u32, pixels: u32, vectors: u32,
  accumulate: u32, span: u32, depth: u32, ${COLUMN_SIZES}
}
@group(0) @binding(0) var<storage, read> image: array<f32>;
@group(0) @binding(1) var<storage, read> quads: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
// [s][pixel][lane]: a lane reads what it wrote itself.
var<workgroup> columns: array<vec4f, ${TILE_VECTORS}>;
${columnFunctions(g.paddingMode)}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * groups.x + group.x;
  if (index >= sizes.workgroups) { return; }
  let firstVector = index % sizes.blocks * sizes.span * ${lanes}u + lane;
  let firstBlock = index / sizes.blocks * sizes.share;
  let endBlock = min(firstBlock + sizes.share, sizes.rowBlocks);
  for (var start = 0u; start < sizes.pixels; start += sizes.depth) {
    let count = min(sizes.depth, sizes.pixels - start);
    for (var s = 0u; s < sizes.span; s++) {
      let taps = taps_of(min(firstVector + s * ${lanes}u, sizes.vectors - 1u));
      let place = i32(start) % (sizes.outHeight * sizes.outWidth);
      var item = i32(start) / (sizes.outHeight * sizes.outWidth);
      var oy = place / sizes.outWidth;
      var ox = place % sizes.outWidth;
      var to = s * sizes.depth * ${lanes}u + lane;
      for (var p = 0u; p < count; p++) {
        columns[to] = column(taps, item, oy, ox);
        to += ${lanes}u;
        ox++;
        if (ox == sizes.outWidth) { ox = 0; oy++; }
        if (oy == sizes.outHeight) { oy = 0; item++; }
      }
      // Pixels beyond the last are zeros in dy, and must not be NaN here.
      for (var p = count; p % 4u != 0u; p++) {
        columns[to] = vec4f(0.0);
        to += ${lanes}u;
      }
    }
    let isAdded = start > 0u || sizes.accumulate != 0u;
    // Rows outside, k inside: neighbours in dw are written one after the other.
    for (var block = firstBlock; block < endBlock; block++) {
      for (var s = 0u; s < sizes.span; s++) {
        var quad = (block * ((sizes.pixels + 3u) / 4u) + start / 4u) * ${ROWS}u + lane % ${ROWS}u;
        var place = s * sizes.depth * ${lanes}u + lane;
${repeat(ROWS, (r) => `        var sum${r} = vec4f(0.0);`)}
        for (var p = 0u; p < count; p += 4u) {
${repeat(Math.ceil(ROWS / lanes), (i) => `          let held${i} = quads[quad + ${i * lanes}u];`)}
${repeat(4, (i) => `          let x${i} = columns[place + ${i * lanes}u];`)}
${repeat(
  ROWS,
  (r) => `          let d${r} = subgroupBroadcast(held${Math.floor(r / lanes)}, ${r % lanes}u);
          sum${r} = sum${r} + d${r}.x * x0 + d${r}.y * x1 + d${r}.z * x2 + d${r}.w * x3;`,
)}
          quad += ${ROWS}u;
          place += ${4 * lanes}u;
        }
        let vector = firstVector + s * ${lanes}u;
        let last = select(0u, min(${ROWS}u, sizes.rows - block * ${ROWS}u), vector < sizes.vectors);
        let to = block * ${ROWS}u * sizes.vectors + vector;
        // A loop whose bound the driver cannot see: unrolled, it would take seconds to compile.
        var sums = array<vec4f, ${ROWS}>(${Array.from({ length: ROWS }, (_, r) => `sum${r}`).join(', ')});
        for (var r = 0u; r < last; r++) {
          var value = sums[r];
          if (isAdded) { value += result[to + r * sizes.vectors]; }
          result[to + r * sizes.vectors] = value;
        }
      }
    }
  }
}
`,
  };
}

/** Inputs: x, dy. Output: dw, overwritten, or added to if `accumulate`. */
export function smallWeightGradient(
  g: ConvGeometry,
  accumulate: boolean,
  profile: AdapterProfile,
): Plan {
  const { pixels, rows } = columnSizes(g);
  const quads = { temporary: 0 };
  return {
    temporaries: [Math.ceil(rows / ROWS) * ROWS * Math.ceil(pixels / 4) * 4],
    steps: [
      { kernel: cotangentQuads(g), operands: [{ input: 1 }, quads] },
      {
        kernel: pixelTiles(g, accumulate, profile),
        operands: [{ input: 0 }, quads, { output: 0 }],
      },
    ],
  };
}
