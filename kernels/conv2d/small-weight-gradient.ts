import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type AdapterProfile, type Kernel, type Plan, spreadWorkgroups } from '../kernel.ts';
import {
  COLUMN_SIZES,
  columnConstants,
  columnFunctions,
  columnSizes,
  ENOUGH_WORKGROUPS,
  repeat,
  storeColumns,
} from './columns.ts';
import type { ConvGeometry } from './geometry.ts';

/*
 * Weight gradient of small maps: a matrix product over few pixels p = (n,oy,ox),
 *
 *   dw[o,k] = Σ_p dy[o,p]·X[p,k]      X[p,k] = x̄[n, c, s·oy+ky, s·ox+kx],  k = (c,ky,kx)
 *
 * On CPU drivers a load of a vec4 takes as long as a dozen multiply-adds, and as much code: its bounds are
 * checked lane by lane. What a lane holds in variables costs nothing, even where registers are too few and it
 * lies on the stack. So a lane holds its columns of X, and dy passes by:
 *
 *            k: one to four vec4s a lane
 *          ┌────────────────────┐
 *          │ X, up to 128 pixels│  in variables, read from the image once by the lane that uses it
 *          └────────────────────┘
 *     p      ┌────────────────────┐
 *   ┌─────┐  │ row of dw          │  lanes load the vec4s of dy of one or two rows for each other and
 *   │ dy  │  ├────────────────────┤  pass them on by broadcast; a row is written as soon as it is summed
 *   └─────┘  │ next row           │
 *      ⋮     └────────────────────┘
 *
 * More pixels are taken in turn, and added to what is written.
 */

/** Pixels of X that a lane holds, at most; of GPUs, where what finds no register is slow. */
const MOST_PIXELS = { cpu: 128, gpu: 16 };
/** vec4s of X that it holds where its pixels are fewer, and vec4s of k, at most. */
const MOST_HELD = { cpu: 32, gpu: 16 };
const MOST_VECTORS = 4;
/** Rows whose vec4s of dy are loaded together, at most: more take seconds to compile. */
const MOST_ROWS = 2;

interface Layout {
  /** Pixels held: a power of two. */
  readonly width: number;
  /** vec4s of k a lane. */
  readonly span: number;
  /** Rows loaded together. */
  readonly together: number;
}

function layoutOf(pixels: number, { kind, subgroupSize }: AdapterProfile): Layout {
  let width = 4;
  while (width < pixels && width < MOST_PIXELS[kind]) width *= 2;
  return {
    width,
    span: Math.max(1, Math.min(MOST_VECTORS, MOST_HELD[kind] / width)),
    together: Math.max(1, Math.min(MOST_ROWS, (4 * subgroupSize) / width)),
  };
}

/** dw (+)= the product. Bindings: x, dy, dw, sizes. */
function passingRows(g: ConvGeometry, accumulate: boolean, profile: AdapterProfile): Kernel {
  const { pixels, rows, taps } = columnSizes(g);
  const lanes = profile.subgroupSize;
  const { width, span, together } = layoutOf(pixels, profile);
  const quads = width / 4;
  const loads = Math.ceil(quads / lanes);
  const vectors = taps / 4;
  const blocks = Math.ceil(vectors / (lanes * span));
  const steps = Math.ceil(rows / together);
  const share = Math.ceil(steps / Math.ceil(ENOUGH_WORKGROUPS / blocks));
  const workgroups = blocks * Math.ceil(steps / share);
  /** WGSL of dy at pixel p in row r of those loaded. */
  const cotangent = (r: number, p: number): string => {
    const held = r * quads + Math.floor(p / 4);
    return `subgroupBroadcast(held${Math.floor(held / lanes)}[${p % 4}], ${held % lanes}u)`;
  };
  return {
    key: `columns.rows.${g.paddingMode}.${width}x${span}.${lanes}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(workgroups),
    requires: ['subgroups'],
    constants: [
      ...[blocks, workgroups, share * together, rows, pixels, vectors, accumulate ? 1 : 0],
      ...columnConstants(g),
    ],
    code: () => wgsl`
enable subgroups;
struct Sizes {
  blocks: u32, workgroups: u32, share: u32, rows: u32, pixels: u32, vectors: u32, accumulate: u32,
  ${COLUMN_SIZES}
}
@group(0) @binding(0) var<storage, read> image: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${columnFunctions(g.paddingMode)}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * groups.x + group.x;
  if (index >= sizes.workgroups) { return; }
  let plane = u32(sizes.outHeight * sizes.outWidth);
  let firstVector = index % sizes.blocks * ${span * lanes}u + lane;
  let firstRow = index / sizes.blocks * sizes.share;
  let endRow = min(firstRow + sizes.share, sizes.rows);
  for (var start = 0u; start < sizes.pixels; start += ${width}u) {
    let count = min(${width}u, sizes.pixels - start);
    var columns: array<vec4f, ${width * span}>;
    for (var s = 0u; s < ${span}u; s++) {
      let taps = taps_of(min(firstVector + s * ${lanes}u, sizes.vectors - 1u));
      ${storeColumns(`s * ${width}u + p`, 'count', 'start')}
      // Said though WGSL promises it: drivers keep what the last round left there.
      for (var p = count; p < ${width}u; p++) { columns[s * ${width}u + p] = vec4f(0.0); }
    }
${repeat(width * span, (i) => `    let x${i} = columns[${i}];`)}
    // Where a lane finds what it loads of dy; pixels beyond the last meet columns of zeros.
${repeat(
  loads,
  (
    i,
  ) => `    let pixels${i} = min(start + (lane + ${i * lanes}u) % ${quads}u * 4u + vec4u(0u, 1u, 2u, 3u), vec4u(sizes.pixels - 1u));
    let places${i} = pixels${i} / plane * sizes.rows * plane + pixels${i} % plane;`,
)}
    let isAdded = start > 0u || sizes.accumulate != 0u;
    for (var row = firstRow; row < endRow; row += ${together}u) {
      let own = min(row + lane / ${quads}u % ${together}u, sizes.rows - 1u) * plane;
${repeat(
  loads,
  (i) =>
    `      let held${i} = vec4f(${['x', 'y', 'z', 'w'].map((e) => `dy[places${i}.${e} + own]`).join(', ')});`,
)}
${repeat(
  together,
  (r) => `      if (row + ${r}u < endRow) {
${repeat(span, (s) => `        var sum${s} = vec4f(0.0);`)}
${repeat(
  width,
  (p) => `        let d${p} = ${cotangent(r, p)};
${repeat(span, (s) => `        sum${s} = sum${s} + d${p} * x${s * width + p};`)}`,
)}
        let to = (row + ${r}u) * sizes.vectors + firstVector;
${repeat(
  span,
  (s) => `        if (firstVector + ${s * lanes}u < sizes.vectors) {
          if (isAdded) { sum${s} += result[to + ${s * lanes}u]; }
          result[to + ${s * lanes}u] = sum${s};
        }`,
)}
      }`,
)}
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
  const operands = [{ input: 0 }, { input: 1 }, { output: 0 }];
  return { temporaries: [], steps: [{ kernel: passingRows(g, accumulate, profile), operands }] };
}
