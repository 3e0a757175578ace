import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type AdapterProfile, floatBits, type Kernel, spreadWorkgroups } from '../kernel.ts';
import { linearMain, linearWorkgroups } from '../linear.ts';
import { EPILOGUE_ACTIVATION, type Epilogue, epilogueCode, epilogueSlope } from './epilogue.ts';
import { type ConvGeometry, outHeight, outWidth } from './geometry.ts';
import { windowFunctions } from './window.ts';

/*
 * The kernels behind `small-maps.ts`. A subgroup is a workgroup; its lanes take consecutive vec4s along
 * k, so a load of w or X brings as many of them as there are lanes, and what all lanes need alike (dy)
 * is loaded once per lane and passed on by broadcast.
 */

/** Sizes of the matrices. */
export interface ColumnSizes {
  /** Columns: N·OH·OW. */
  readonly pixels: number;
  /** Output channels. */
  readonly rows: number;
  /** Products a sum: C·KH·KW. */
  readonly taps: number;
}

export function columnSizes(g: ConvGeometry): ColumnSizes {
  return {
    pixels: g.batch * outHeight(g) * outWidth(g),
    rows: g.outChannels,
    taps: g.inChannels * g.kernelHeight * g.kernelWidth,
  };
}

const SUBGROUP_MAIN = (workgroup: number): string => `
@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * groups.x + group.x;`;

const repeat = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => line(i)).join('\n');

/** X[p,k] = x̄[n,c,s·oy+ky,s·ox+kx]. Bindings: x, X, sizes. An invocation makes one (p,c). */
export function unfold(g: ConvGeometry): Kernel {
  const { pixels, taps } = columnSizes(g);
  const count = pixels * g.inChannels;
  return {
    key: `columns.unfold.${g.paddingMode}`,
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(count),
    constants: [
      ...[count, g.inChannels, outHeight(g), outWidth(g), g.kernelHeight, g.kernelWidth],
      ...[g.stride, g.padding, g.height, g.width, taps],
    ],
    code: () => wgsl`
struct Sizes {
  count: u32, channels: u32, outHeight: u32, outWidth: u32, kernelHeight: u32, kernelWidth: u32,
  stride: u32, padding: i32, height: i32, width: i32, taps: u32,
}
@group(0) @binding(0) var<storage, read> image: array<f32>;
@group(0) @binding(1) var<storage, read_write> columns: array<f32>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;
${windowFunctions(g.paddingMode)}

${linearMain('sizes.count')}
  let channel = index % sizes.channels;
  let pixel = index / sizes.channels;
  let outputs = sizes.outHeight * sizes.outWidth;
  let item = pixel / outputs;
  let top = i32((pixel % outputs) / sizes.outWidth * sizes.stride) - sizes.padding;
  let left = i32(pixel % sizes.outWidth * sizes.stride) - sizes.padding;
  let plane = i32(item * sizes.channels + channel) * sizes.height * sizes.width;
  var to = pixel * sizes.taps + channel * sizes.kernelHeight * sizes.kernelWidth;
  for (var ky = 0u; ky < sizes.kernelHeight; ky++) {
    for (var kx = 0u; kx < sizes.kernelWidth; kx++) {
#if ${g.paddingMode === 'reflect'}
      let y = reflect_at(top + i32(ky), sizes.height);
      let x = reflect_at(left + i32(kx), sizes.width);
      let value = image[plane + y * sizes.width + x];
#else
      let y = top + i32(ky);
      let x = left + i32(kx);
      var value = 0.0;
      if (u32(y) < u32(sizes.height) && u32(x) < u32(sizes.width)) {
        value = image[plane + y * sizes.width + x];
      }
#endif
      columns[to] = value;
      to++;
    }
  }
}
`,
  };
}

/** Output rows and pixels of a subgroup in `dotRows`. */
const DOT_ROWS = 8;
const DOT_PIXELS = 8;

/**
 * y[n,o,i] = f(bias[o] + Σ_k w[o,k]·X[p,k]). Bindings: X, w, bias (any storage if there is none), y,
 * sizes. A subgroup makes 8 rows by at most 8 pixels: every lane sums its part of k, then lanes are added.
 */
export function dotRows(g: ConvGeometry, epilogue: Epilogue, profile: AdapterProfile): Kernel {
  const { pixels, rows, taps } = columnSizes(g);
  const lanes = profile.subgroupSize;
  let width = DOT_PIXELS;
  while (width / 2 >= pixels) width /= 2;
  const rowBlocks = Math.ceil(rows / DOT_ROWS);
  const blocks = rowBlocks * Math.ceil(pixels / width);
  return {
    key: `columns.dot.${width}.${lanes}`,
    bindings: ['read', 'read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(blocks),
    requires: ['subgroups'],
    constants: [
      ...[blocks, rowBlocks, rows, pixels, taps / 4, outHeight(g) * outWidth(g)],
      epilogue.bias ? 1 : 0,
      epilogueCode(epilogue.activation),
      floatBits(epilogueSlope(epilogue.activation)),
    ],
    code: () => wgsl`
enable subgroups;
struct Sizes {
  blocks: u32, rowBlocks: u32, rows: u32, pixels: u32, vectors: u32, plane: u32,
  biased: u32, activation: u32, slope: u32,
}
@group(0) @binding(0) var<storage, read> columns: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;
@group(0) @binding(4) var<storage, read> sizes: Sizes;
${EPILOGUE_ACTIVATION}
${SUBGROUP_MAIN(lanes)}
  if (index >= sizes.blocks) { return; }
  let firstRow = index % sizes.rowBlocks * ${DOT_ROWS}u;
  let firstPixel = index / sizes.rowBlocks * ${width}u;
${repeat(DOT_ROWS, (r) => `  let row${r} = min(firstRow + ${r}u, sizes.rows - 1u) * sizes.vectors;`)}
${repeat(width, (q) => `  let pixel${q} = min(firstPixel + ${q}u, sizes.pixels - 1u) * sizes.vectors;`)}
${repeat(DOT_ROWS * width, (i) => `  var sum${i} = 0.0;`)}
  for (var k = lane; k < sizes.vectors; k += ${lanes}u) {
${repeat(width, (q) => `    let x${q} = columns[pixel${q} + k];`)}
${repeat(
  DOT_ROWS,
  (r) => `    let w${r} = weights[row${r} + k];
${repeat(width, (q) => `    sum${r * width + q} = sum${r * width + q} + dot(w${r}, x${q});`)}`,
)}
  }
  var sums = array<f32, ${DOT_ROWS * width}>(${Array.from({ length: DOT_ROWS * width }, (_, i) => `sum${i}`).join(', ')});
  for (var i = 0u; i < ${DOT_ROWS * width}u; i++) {
    let total = subgroupAdd(sums[i]);
    let row = firstRow + i / ${width}u;
    let pixel = firstPixel + i % ${width}u;
    if (lane == 0u && row < sizes.rows && pixel < sizes.pixels) {
      var shift = 0.0;
      if (sizes.biased != 0u) { shift = bias[row]; }
      let value = activate(vec4f(total + shift), sizes.activation, bitcast<f32>(sizes.slope)).x;
      result[(pixel / sizes.plane * sizes.rows + row) * sizes.plane + pixel % sizes.plane] = value;
    }
  }
}
`,
  };
}

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
${SUBGROUP_MAIN(lanes)}
  let block = index;
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
