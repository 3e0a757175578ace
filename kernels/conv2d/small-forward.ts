import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import {
  type AdapterProfile,
  floatBits,
  type Kernel,
  type Operand,
  type Plan,
  spreadWorkgroups,
} from '../kernel.ts';
import { linearMain, linearWorkgroups } from '../linear.ts';
import {
  COLUMN_SIZES,
  columnConstants,
  columnFunctions,
  columnSizes,
  ENOUGH_WORKGROUPS,
  repeat,
  storeColumns,
  TILE_VECTORS,
} from './columns.ts';
import { EPILOGUE_ACTIVATION, type Epilogue, epilogueCode, epilogueSlope } from './epilogue.ts';
import { type ConvGeometry, outHeight, outWidth, roundUp } from './geometry.ts';

/*
 * Forward pass of small maps, y[o,p] = f(bias[o] + Σ_k w[o,k]·X[p,k]) for at most 16 pixels p.
 *
 *               k: a part of it, at most 1024/P vec4s
 *             ┌──────────┐
 *         P   │ X        │  in workgroup memory, read from the image once
 *             └──────────┘
 *   4 rows    ┌──────────┐
 *   a lane    │ w        │  each lane loads its own rows; lanes pass pixels of X round by broadcast
 *      ⋮      └──────────┘
 *
 * Parts of k go to different subgroups, and a second kernel adds up what they found.
 */

/** Rows of a lane: a vec4 of sums for each pixel. */
const LANE_ROWS = 4;

interface Parts {
  /** P: pixels, rounded up to a power of two. */
  readonly width: number;
  /** vec4s of k in a part. */
  readonly depth: number;
  readonly parts: number;
  /** Blocks of rows: `LANE_ROWS` times the lanes. */
  readonly blocks: number;
}

function partsOf(g: ConvGeometry, { subgroupSize }: AdapterProfile): Parts {
  const { pixels, rows, taps } = columnSizes(g);
  let width = 1;
  while (width < pixels) width *= 2;
  // Rather shorter parts than more workgroups that read the same columns.
  const enough = roundUp(Math.ceil(taps / 4 / ENOUGH_WORKGROUPS), subgroupSize);
  const depth = Math.min(TILE_VECTORS / width, enough);
  const blocks = Math.ceil(rows / (subgroupSize * LANE_ROWS));
  return { width, depth, parts: Math.ceil(taps / 4 / depth), blocks };
}

/** partial[part][block][p][lane] = Σ_{k of the part} w[o,k]·X[p,k], o = (block,r,lane). Bindings: x, w, partial, sizes. */
function partialSums(g: ConvGeometry, profile: AdapterProfile): Kernel {
  const { pixels, rows, taps } = columnSizes(g);
  const lanes = profile.subgroupSize;
  const { width, depth, parts, blocks } = partsOf(g, profile);
  const share = Math.ceil(blocks / Math.ceil(ENOUGH_WORKGROUPS / parts));
  const workgroups = parts * Math.ceil(blocks / share);
  return {
    key: `columns.forward.${g.paddingMode}.${width}.${lanes}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(workgroups),
    requires: ['subgroups'],
    constants: [
      ...[workgroups, parts, depth, share, blocks, rows, pixels, taps / 4],
      ...columnConstants(g),
    ],
    code: () => wgsl`
enable subgroups;
struct Sizes {
  workgroups: u32, parts: u32, depth: u32, share: u32, blocks: u32, rows: u32, pixels: u32, vectors: u32,
  ${COLUMN_SIZES}
}
@group(0) @binding(0) var<storage, read> image: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
// [vec4 of k][pixel]
var<workgroup> columns: array<vec4f, ${TILE_VECTORS}>;
${columnFunctions(g.paddingMode)}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * groups.x + group.x;
  let part = index % sizes.parts;
  let first = part * sizes.depth;
  let count = min(sizes.depth, sizes.vectors - first);
  for (var v = lane; v < count; v += ${lanes}u) {
    let taps = taps_of(first + v);
    ${storeColumns(`v * ${width}u + p`, 'sizes.pixels')}
  }
  workgroupBarrier();
  if (index >= sizes.workgroups) { return; }
  let firstBlock = index / sizes.parts * sizes.share;
  let endBlock = min(firstBlock + sizes.share, sizes.blocks);
  for (var block = firstBlock; block < endBlock; block++) {
${repeat(
  LANE_ROWS,
  (r) =>
    `    let row${r} = min((block * ${LANE_ROWS}u + ${r}u) * ${lanes}u + lane, sizes.rows - 1u) * sizes.vectors + first;`,
)}
${repeat(width, (p) => `    var sum${p} = vec4f(0.0);`)}
    for (var v = 0u; v < count; v++) {
${repeat(Math.ceil(width / lanes), (i) => `      let held${i} = columns[v * ${width}u + ${i * lanes}u + lane % ${width}u];`)}
${repeat(LANE_ROWS, (r) => `      let w${r} = weights[row${r} + v];`)}
${repeat(
  width,
  (p) => `      let x${p} = subgroupBroadcast(held${Math.floor(p / lanes)}, ${p % lanes}u);
      sum${p} = sum${p} + vec4f(dot(w0, x${p}), dot(w1, x${p}), dot(w2, x${p}), dot(w3, x${p}));`,
)}
    }
    let to = (part * sizes.blocks + block) * ${width * lanes}u + lane;
    var sums = array<vec4f, ${width}>(${Array.from({ length: width }, (_, p) => `sum${p}`).join(', ')});
    for (var p = 0u; p < sizes.pixels; p++) { partial[to + p * ${lanes}u] = sums[p]; }
  }
}
`,
  };
}

/**
 * y[o,p] = f(bias[o] + Σ_part partial). An invocation makes four rows of a pixel. Bindings: partial, bias
 * (any storage if there is none), y, sizes.
 */
function addParts(g: ConvGeometry, epilogue: Epilogue, profile: AdapterProfile): Kernel {
  const { pixels, rows } = columnSizes(g);
  const lanes = profile.subgroupSize;
  const { width, parts, blocks } = partsOf(g, profile);
  const count = blocks * width * lanes;
  return {
    key: 'columns.parts',
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: linearWorkgroups(count),
    constants: [
      ...[count, parts, width, lanes, rows, pixels, outHeight(g) * outWidth(g)],
      epilogue.bias ? 1 : 0,
      epilogueCode(epilogue.activation),
      floatBits(epilogueSlope(epilogue.activation)),
    ],
    code: () => wgsl`
struct Sizes {
  count: u32, parts: u32, width: u32, lanes: u32, rows: u32, pixels: u32, plane: u32,
  biased: u32, activation: u32, slope: u32,
}
@group(0) @binding(0) var<storage, read> partial: array<vec4f>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${EPILOGUE_ACTIVATION}

${linearMain('sizes.count')}
  let pixel = index / sizes.lanes % sizes.width;
  if (pixel >= sizes.pixels) { return; }
  var sum = vec4f(0.0);
  for (var part = 0u; part < sizes.parts; part++) { sum += partial[part * sizes.count + index]; }
  let first = index / (sizes.lanes * sizes.width) * ${LANE_ROWS}u * sizes.lanes + index % sizes.lanes;
  for (var r = 0u; r < ${LANE_ROWS}u; r++) {
    let row = first + r * sizes.lanes;
    if (row >= sizes.rows) { break; }
    var shift = 0.0;
    if (sizes.biased != 0u) { shift = bias[row]; }
    let value = activate(vec4f(sum[r] + shift), sizes.activation, bitcast<f32>(sizes.slope)).x;
    result[(pixel / sizes.plane * sizes.rows + row) * sizes.plane + pixel % sizes.plane] = value;
  }
}
`,
  };
}

/** Inputs: x, w, bias (only if `epilogue.bias`). Output: y. */
export function smallForward(g: ConvGeometry, epilogue: Epilogue, profile: AdapterProfile): Plan {
  const { width, parts, blocks } = partsOf(g, profile);
  const partial: Operand = { temporary: 0 };
  const bias: Operand = { input: epilogue.bias ? 2 : 1 };
  return {
    temporaries: [parts * blocks * width * profile.subgroupSize * 4],
    steps: [
      { kernel: partialSums(g, profile), operands: [{ input: 0 }, { input: 1 }, partial] },
      { kernel: addParts(g, epilogue, profile), operands: [partial, bias, { output: 0 }] },
    ],
  };
}
