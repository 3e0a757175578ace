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
import { columnSizes, repeat } from './columns.ts';
import { EPILOGUE_ACTIVATION, type Epilogue, epilogueCode, epilogueSlope } from './epilogue.ts';
import { type ConvGeometry, outHeight, outWidth } from './geometry.ts';

/*
 * Data gradient of small maps: Z[p,k] = Σ_o dy[o,p]·w[o,k], whose taps are then added up where they fall.
 * A subgroup is a workgroup; its lanes take consecutive vec4s along k, so that weights stream
 * through, and what all lanes need alike (dy) is loaded once per lane and passed on by broadcast.
 */

/** vec4s of k that a lane of `spreadTaps` owns. */
const VECTORS = 2;

/** WGSL of the vec4s of k of a lane: `k0`, `k1`, and whether they exist. */
const LANE_VECTORS = (lanes: number): string =>
  repeat(
    VECTORS,
    (v) => `  let k${v} = (block * ${VECTORS}u + ${v}u) * ${lanes}u + lane;
  let at${v} = min(k${v}, sizes.vectors - 1u);`,
  );

/**
 * Z[p,k] = Σ_o dy[n,o,i]·w[o,k], for all pixels p at once. Bindings: dy, w, Z, sizes. A lane owns two
 * vec4s of k for every pixel.
 */
export function spreadTaps(g: ConvGeometry, profile: AdapterProfile): Kernel {
  const { pixels, rows, taps } = columnSizes(g);
  const lanes = profile.subgroupSize;
  let width = 1;
  while (width < pixels) width *= 2;
  const vectors = taps / 4;
  const blocks = Math.ceil(vectors / (lanes * VECTORS));
  const loads = Math.ceil(width / lanes);
  return {
    key: `columns.spread.${width}.${lanes}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(blocks),
    requires: ['subgroups'],
    constants: [blocks, rows, pixels, vectors, outHeight(g) * outWidth(g)],
    code: () => wgsl`
enable subgroups;
struct Sizes { blocks: u32, rows: u32, pixels: u32, vectors: u32, plane: u32 }
@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let block = group.y * groups.x + group.x;
  if (block >= sizes.blocks) { return; }
${LANE_VECTORS(lanes)}
${repeat(
  loads,
  (i) => `  let pixel${i} = min(${i * lanes}u + lane, sizes.pixels - 1u);
  let start${i} = pixel${i} / sizes.plane * sizes.rows * sizes.plane + pixel${i} % sizes.plane;`,
)}
${repeat(VECTORS * width, (i) => `  var sum${i} = vec4f(0.0);`)}
  for (var o = 0u; o < sizes.rows; o++) {
${repeat(loads, (i) => `    let held${i} = dy[start${i} + o * sizes.plane];`)}
${repeat(VECTORS, (v) => `    let w${v} = weights[o * sizes.vectors + at${v}];`)}
${repeat(
  width,
  (p) => `    let d${p} = subgroupBroadcast(held${Math.floor(p / lanes)}, ${p % lanes}u);
${repeat(VECTORS, (v) => `    sum${p * VECTORS + v} = sum${p * VECTORS + v} + d${p} * w${v};`)}`,
)}
  }
  var sums = array<vec4f, ${VECTORS * width}>(${Array.from({ length: VECTORS * width }, (_, i) => `sum${i}`).join(', ')});
  for (var p = 0u; p < sizes.pixels; p++) {
${repeat(VECTORS, (v) => `    if (k${v} < sizes.vectors) { result[p * sizes.vectors + k${v}] = sums[p * ${VECTORS}u + ${v}u]; }`)}
  }
}
`,
  };
}

/**
 * dx[n,c,v] = f(bias[c] + Σ { Z[p,(c,k)] : s·oy+ky = v+padding }). Bindings: Z, bias (any storage if
 * there is none), dx, sizes. An invocation makes one pixel.
 */
export function collectTaps(g: ConvGeometry, epilogue: Epilogue, accumulate: boolean): Kernel {
  const { taps } = columnSizes(g);
  const count = g.batch * g.inChannels * g.height * g.width;
  return {
    key: 'columns.collect',
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: linearWorkgroups(count),
    constants: [
      ...[count, g.inChannels, g.height, g.width, outHeight(g), outWidth(g)],
      ...[g.kernelHeight, g.kernelWidth, g.stride, g.padding, taps],
      epilogue.bias ? 1 : 0,
      epilogueCode(epilogue.activation),
      floatBits(epilogueSlope(epilogue.activation)),
      accumulate ? 1 : 0,
    ],
    code: () => wgsl`
struct Sizes {
  count: u32, channels: u32, height: u32, width: u32, outHeight: u32, outWidth: u32,
  kernelHeight: u32, kernelWidth: u32, stride: u32, padding: u32, taps: u32,
  biased: u32, activation: u32, slope: u32, accumulate: u32,
}
@group(0) @binding(0) var<storage, read> columns: array<f32>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${EPILOGUE_ACTIVATION}

${linearMain('sizes.count')}
  let x = index % sizes.width + sizes.padding;
  let row = index / sizes.width;
  let y = row % sizes.height + sizes.padding;
  let channel = row / sizes.height % sizes.channels;
  let item = row / sizes.height / sizes.channels;
  var sum = 0.0;
  // The tap ky = v - s·oy that meets pixel v falls with oy; the first one is v mod s.
  for (var ky = y % sizes.stride; ky < sizes.kernelHeight && ky <= y; ky += sizes.stride) {
    let oy = (y - ky) / sizes.stride;
    if (oy >= sizes.outHeight) { continue; }
    for (var kx = x % sizes.stride; kx < sizes.kernelWidth && kx <= x; kx += sizes.stride) {
      let ox = (x - kx) / sizes.stride;
      if (ox >= sizes.outWidth) { continue; }
      let pixel = (item * sizes.outHeight + oy) * sizes.outWidth + ox;
      sum += columns[pixel * sizes.taps + (channel * sizes.kernelHeight + ky) * sizes.kernelWidth + kx];
    }
  }
  if (sizes.biased != 0u) { sum += bias[channel]; }
  var value = activate(vec4f(sum), sizes.activation, bitcast<f32>(sizes.slope)).x;
  if (sizes.accumulate != 0u) { value += result[index]; }
  result[index] = value;
}
`,
  };
}

/**
 * Inputs: dy, w, bias (only if `epilogue.bias`). Output: dx, overwritten, or added to if `accumulate`.
 * Zero padding only.
 */
export function smallDataGradient(
  g: ConvGeometry,
  epilogue: Epilogue,
  accumulate: boolean,
  profile: AdapterProfile,
): Plan {
  const { pixels, taps } = columnSizes(g);
  const columns: Operand = { temporary: 0 };
  const bias: Operand = { input: epilogue.bias ? 2 : 1 };
  return {
    temporaries: [pixels * taps],
    steps: [
      { kernel: spreadTaps(g, profile), operands: [{ input: 0 }, { input: 1 }, columns] },
      { kernel: collectTaps(g, epilogue, accumulate), operands: [columns, bias, { output: 0 }] },
    ],
  };
}
