import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import {
  type AdapterProfile,
  floatBits,
  type Kernel,
  type Plan,
  spreadWorkgroups,
} from '../kernel.ts';
import type { Correlation } from './correlation-spec.ts';
import { EPILOGUE_ACTIVATION, epilogueCode, epilogueSlope } from './epilogue.ts';

/*
 * Correlations of 1×1 taps, forward passes and data gradients of 1×1 convolutions at stride 1:
 *
 *   y[n,r,p] = f(bias[r] + Σ_c W[r,c]·x[n,c,p])       p a pixel of the plane; W[r,c] = w[r,c] or w[c,r]
 *
 * Tiles are those of `correlation.ts`, 16 rows by four pixels a lane, but pixels are counted across the batch,
 * without rows of images. Where planes are whole vec4s a lane's pixels are one. Planes of other lengths start at
 * another place of a vec4 in every channel: there lanes side by side take neighbouring pixels, and the four
 * of a lane are `lanes` apart, so that every load and store brings a run of pixels, whatever it starts at.
 *
 *   lanes 0 … 7     pixels 0 … 7 │ 8 … 15 │ 16 … 23 │ 24 … 31
 *   component               x    │   y    │    z    │    w
 *
 * Weights come from their tensor as it stands, four at a time: of one row and four channels, or, where w is
 * [C,R], of one channel and four rows. Each lane loads some of a step's 16 vec4s and passes them on by broadcast.
 *
 * A workgroup walks over several such runs of pixels. One for each would cost as much to launch as 16 channels
 * take, and write to memory here and there.
 */

const COMPONENTS = 'xyzw';
/** Output channels of a lane. */
const ROWS = 16;
/** Channels of a step. */
const STEP = 4;
/** Most tiles of one workgroup, and how many workgroups there are before it takes more than one. */
const MOST_TILES = 8;
const ENOUGH_WORKGROUPS = 64;

/** Whether a correlation is of 1×1 taps, and its weights are whole vec4s. */
export function isPointwise(spec: Correlation, profile: AdapterProfile): boolean {
  const { tapsX, tapsY, stride, offsetsX, offsetsY, rows, channels } = spec;
  return (
    [4, 8, 16].includes(profile.subgroupSize) &&
    tapsX === 1 &&
    tapsY === 1 &&
    stride === 1 &&
    offsetsX.join() === '0' &&
    offsetsY.join() === '0' &&
    channels % STEP === 0 &&
    rows % 4 === 0
  );
}

/**
 * Correlates input 0 with weights input 1 and input 2 as bias, into output 0. `spec` must be one that
 * `isPointwise`.
 * @param isAdjoint whether the weights are [channels, rows]
 */
export function pointwisePlan(
  spec: Correlation,
  isAdjoint: boolean,
  { subgroupSize }: AdapterProfile,
): Plan {
  const kernel = pointwise(spec, isAdjoint, subgroupSize);
  const bias = { input: spec.bias ? 2 : 1 };
  return {
    temporaries: [],
    steps: [{ kernel, operands: [{ input: 0 }, { input: 1 }, bias, { output: 0 }] }],
  };
}

/** Bindings: image, weights, bias (any storage if there is none), output, sizes. */
function pointwise(spec: Correlation, isAdjoint: boolean, lanes: number): Kernel {
  const { batch, channels, rows, height, width, bias, activation, accumulate = false } = spec;
  const { imageSlice = { first: 0, channels }, outputSlice = { first: 0, channels: rows } } = spec;
  const isWhole = (height * width) % 4 === 0;
  // Planes, and places in them, are counted in elements of the arrays.
  const plane = isWhole ? (height * width) / 4 : height * width;
  const loads = isWhole ? 1 : 4;
  const runs = Math.ceil((batch * plane) / (loads * lanes));
  const rowBlocks = Math.ceil(rows / ROWS);
  const spare = Math.floor((runs * rowBlocks) / ENOUGH_WORKGROUPS);
  const tiles = Math.max(1, Math.min(MOST_TILES, spare));
  const walks = Math.ceil(runs / tiles);
  const type = isWhole ? 'vec4f' : 'f32';
  const sums = Array.from({ length: ROWS }, (_, r) => `sum${r}`);

  const code = (): string => wgsl`
enable subgroups;
struct Sizes {
  places: u32, runs: u32, tiles: u32, walks: u32, rowBlocks: u32, steps: u32, plane: u32,
  imagePitch: u32, imageStart: u32, outputPitch: u32, outputStart: u32, rows: u32, weightPitch: u32,
  biased: u32, activation: u32, slope: u32, accumulate: u32,
}
@group(0) @binding(0) var<storage, read> image: array<${type}>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<${type}>;
@group(0) @binding(4) var<storage, read> sizes: Sizes;
${EPILOGUE_ACTIVATION}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * groups.x + group.x;
  if (index >= sizes.walks * sizes.rowBlocks) { return; }
  let block = index % sizes.rowBlocks;
  let firstRun = index / sizes.rowBlocks * sizes.tiles;
  let lastRun = min(firstRun + sizes.tiles, sizes.runs);
  for (var run = firstRun; run < lastRun; run++) {
${each(loads, (i) => [
  `let mine${i} = run * ${loads * lanes}u + ${i * lanes}u + lane;`,
  // Places beyond the end repeat the last one and are not stored.
  `let place${i} = min(mine${i}, sizes.places - 1u);`,
  `let item${i} = place${i} / sizes.plane;`,
  `let pixel${i} = place${i} % sizes.plane;`,
  `var from${i} = item${i} * sizes.imagePitch + sizes.imageStart + pixel${i};`,
])}
${weightStarts(isAdjoint, lanes)}
${each(ROWS, (r) => [`var sum${r} = vec4f(0.0);`])}
    for (var step = 0u; step < sizes.steps; step++) {
${body(isAdjoint, lanes, loads)}
    }
    var sums = array<vec4f, ${ROWS}>(${sums.join(', ')});
${each(loads, (i) => [
  `let to${i} = item${i} * sizes.outputPitch + sizes.outputStart + pixel${i};`,
  `let isMine${i} = mine${i} < sizes.places;`,
])}
    // A loop whose bound the driver cannot see: unrolled, the stores would be most of the code.
    let last = min((block + 1u) * ${ROWS}u, sizes.rows);
    for (var row = block * ${ROWS}u; row < last; row++) {
      var shift = 0.0;
      if (sizes.biased != 0u) { shift = bias[row]; }
      var value = activate(sums[row % ${ROWS}u] + shift, sizes.activation, bitcast<f32>(sizes.slope));
      let channel = row * sizes.plane;
      if (sizes.accumulate != 0u) {
        value += vec4f(${listed(loads, (i) => `result[channel + to${i}]`)});
      }
${stores(loads)}
    }
  }
}
`;
  return {
    key: `pointwise.${isAdjoint ? 'adjoint.' : ''}${isWhole ? 'v' : 's'}.${lanes}`,
    bindings: ['read', 'read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(walks * rowBlocks),
    requires: ['subgroups'],
    constants: [
      ...[batch * plane, runs, tiles, walks, rowBlocks, channels / STEP, plane],
      ...[imageSlice.channels * plane, imageSlice.first * plane],
      ...[outputSlice.channels * plane, outputSlice.first * plane],
      ...[rows, (isAdjoint ? rows : channels) / 4],
      ...[bias ? 1 : 0, epilogueCode(activation), floatBits(epilogueSlope(activation))],
      accumulate ? 1 : 0,
    ],
    code,
  };
}

function listed(count: number, item: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => item(i)).join(', ');
}

function each(count: number, lines: (i: number) => string[], indent = 4): string {
  return Array.from({ length: count }, (_, i) => lines(i))
    .flat()
    .map((line) => `${' '.repeat(indent)}${line}`)
    .join('\n');
}

/**
 * WGSL of where the vec4s of weights start that the lane loads in a step. Number v of the step's is of row v, or
 * of channel v/4 and the four rows from 4·(v%4) on.
 */
function weightStarts(isAdjoint: boolean, lanes: number): string {
  return each(ROWS / lanes, (part) => {
    const v = `(${part * lanes}u + lane)`;
    const rows = `min(block * ${ROWS / 4}u + ${v} % 4u, sizes.rows / 4u - 1u)`;
    return isAdjoint
      ? [`var weight${part} = ${v} / 4u * sizes.weightPitch + ${rows};`]
      : [`var weight${part} = min(block * ${ROWS}u + ${v}, sizes.rows - 1u) * sizes.weightPitch;`];
  });
}

/** WGSL of a step: loads, then for every row its products with four channels. */
function body(isAdjoint: boolean, lanes: number, loads: number): string {
  const lines: string[] = [];
  for (let part = 0; part < ROWS / lanes; part++) {
    lines.push(`let held${part} = weights[weight${part}];`);
    lines.push(`weight${part} += ${isAdjoint ? `${STEP}u * sizes.weightPitch` : '1u'};`);
  }
  for (let c = 0; c < STEP; c++) {
    const pixels = listed(loads, (i) => `image[from${i} + ${c}u * sizes.plane]`);
    lines.push(`let x${c} = vec4f(${pixels});`);
  }
  const share = (v: number, component: string): string =>
    `subgroupBroadcast(held${Math.floor(v / lanes)}${component}, ${v % lanes}u)`;
  for (let r = 0; r < ROWS; r++) {
    const parts = listed(STEP, (c) => share(4 * c + (r >> 2), `.${COMPONENTS[r & 3]}`));
    lines.push(`let w${r} = ${isAdjoint ? `vec4f(${parts})` : share(r, '')};`);
    const terms = [...COMPONENTS].map((component, c) => `w${r}.${component} * x${c}`);
    lines.push(`sum${r} = sum${r} + ${terms.join(' + ')};`);
  }
  for (let i = 0; i < loads; i++) lines.push(`from${i} += ${STEP}u * sizes.plane;`);
  return lines.map((line) => `      ${line}`).join('\n');
}

/** WGSL that stores `value`. All tiles but the last are stored without asking for each pixel. */
function stores(loads: number): string {
  const store = (i: number): string =>
    `result[channel + to${i}] = value${loads === 1 ? '' : `.${COMPONENTS[i]}`};`;
  const guarded = each(loads, (i) => [`if (isMine${i}) { ${store(i)} }`], 8);
  if (loads === 1) return guarded;
  return `      if (isMine${loads - 1}) {
${each(loads, (i) => [store(i)], 8)}
      } else {
${guarded}
      }`;
}
