import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type AdapterProfile, floatBits, type Kernel, spreadWorkgroups } from '../kernel.ts';
import { touchedChannels } from '../touched-lines.ts';
import { type Correlation, type CorrelationTiles, correlationTiles } from './correlation-spec.ts';
import { ACTIVATE_VALUE, EPILOGUE_ACTIVATION, epilogueCode, epilogueSlope } from './epilogue.ts';
import { storeRows } from './store-rows.ts';

/*
 * Correlations of 1×1 taps, forward passes and data gradients of 1×1 convolutions at stride 1:
 *
 *   y[n,r,p] = f(bias[r] + Σ_c W[r,c]·x[n,c,p])       p a pixel of the plane
 *
 * Tiles are like those of `correlation.ts`, up to 32 rows by four pixels a lane, but pixels are counted across the batch,
 * without rows of images. Where planes are whole vec4s a lane's pixels are one. Planes of other lengths start at
 * another place of a vec4 in every channel: there lanes side by side take neighbouring pixels, and the four
 * of a lane are `lanes` apart, so that every load and store brings a run of pixels, whatever it starts at.
 *
 *   lanes 0 … 7     pixels 0 … 7 │ 8 … 15 │ 16 … 23 │ 24 … 31
 *   component               x    │   y    │    z    │    w
 *
 * A step sums four channels. Weights are packed by `packWeights`, a vec4 of channels for each row; each lane loads
 * some of a step's vec4s and passes them on by broadcast.
 *
 * A workgroup walks over several such runs of pixels. One for each would cost as much to launch as 16 channels
 * take, and write to memory here and there.
 */

const COMPONENTS = 'xyzw';
/** Channels of a step. */
const STEP = 4;
/** Most tiles of one workgroup, and how many workgroups there are before it takes more than one. */
const MOST_TILES = 8;
const ENOUGH_WORKGROUPS = 64;

/** Whether a correlation is one of 1×1 taps that these kernels can do. */
export function isPointwise(spec: Correlation, { subgroupSize }: AdapterProfile): boolean {
  const { tapsX, tapsY, stride, offsetsX, offsetsY, channels } = spec;
  return (
    [4, 8, 16].includes(subgroupSize) &&
    tapsX === 1 &&
    tapsY === 1 &&
    stride === 1 &&
    offsetsX.join() === '0' &&
    offsetsY.join() === '0' &&
    channels % STEP === 0
  );
}

/** Bindings: image, packed weights, bias (any storage if there is none), output, sizes. */
export function pointwise(spec: Correlation, { subgroupSize: lanes }: AdapterProfile): Kernel {
  const { batch, channels, rows, height, width, bias, activation, accumulate = false } = spec;
  const { imageSlice = { first: 0, channels }, outputSlice = { first: 0, channels: rows } } = spec;
  const isWhole = (height * width) % 4 === 0;
  // Planes, and places in them, are counted in elements of the arrays.
  const plane = isWhole ? (height * width) / 4 : height * width;
  const loads = isWhole ? 1 : 4;
  // Elements in 64 bytes.
  const line = isWhole ? 4 : 16;
  const runs = Math.ceil((batch * plane) / (loads * lanes));
  const cut = correlationTiles(spec);
  const { rowsPerLane, rowBlocks } = cut;
  const spare = Math.floor((runs * rowBlocks) / ENOUGH_WORKGROUPS);
  const tiles = Math.max(1, Math.min(MOST_TILES, spare));
  const walks = Math.ceil(runs / tiles);
  const type = isWhole ? 'vec4f' : 'f32';
  const stores = storeRows(
    Array.from({ length: rowsPerLane }, (_, r) => [`sum${r}`]),
    (sums) => sums,
    isWhole,
    (sum) => `var shift = 0.0;
      if (sizes.biased != 0u) { shift = bias[o]; }
      var value = ${sum} + shift;
      ${ACTIVATE_VALUE}
      let channel = o * sizes.plane;
      if (sizes.accumulate != 0u) {
        value += vec4f(${listed(loads, (i) => `result[channel + to${i}]`)});
      }
${each(loads, (i) => [
  `if (isMine${i}) { result[channel + to${i}] = value${loads === 1 ? '' : `.${COMPONENTS[i]}`}; }`,
])}`,
  );

  const code = (): string => wgsl`
enable subgroups;
struct Sizes {
  places: u32, runs: u32, tiles: u32, walks: u32, rowBlocks: u32, steps: u32, plane: u32,
  imagePitch: u32, imageStart: u32, outputPitch: u32, outputStart: u32, rows: u32,
  biased: u32, activation: u32, slope: u32, accumulate: u32, touched: u32, zero: u32,
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
  // Touches the walk's cache lines, a lane one (touched-lines.ts).
  var bits = 0u;
  for (var mine = firstRun * ${loads * lanes}u + lane * ${line}u; mine < lastRun * ${loads * lanes}u; mine += ${lanes * line}u) {
    let place = min(mine, sizes.places - 1u);
    var at = place / sizes.plane * sizes.imagePitch + sizes.imageStart + place % sizes.plane;
    for (var c = 0u; c < sizes.touched; c++) {
      bits |= bitcast<u32>(image[at]${isWhole ? '.x' : ''});
      at += sizes.plane;
    }
  }
  for (var run = firstRun; run < lastRun; run++) {
${each(loads, (i) => [
  `let mine${i} = run * ${loads * lanes}u + ${i * lanes}u + lane;`,
  // Places beyond the end repeat the last one and are not stored.
  `let place${i} = min(mine${i}, sizes.places - 1u);`,
  `let item${i} = place${i} / sizes.plane;`,
  `let pixel${i} = place${i} % sizes.plane;`,
  `var from${i} = item${i} * sizes.imagePitch + sizes.imageStart + pixel${i};`,
])}
    var weight = block * sizes.steps * ${rowsPerLane}u + lane % ${rowsPerLane}u + (bits & sizes.zero);
${each(rowsPerLane, (r) => [`var sum${r} = vec4f(0.0);`])}
    for (var step = 0u; step < sizes.steps; step++) {
${body(cut, lanes, loads)}
    }
    ${stores.start}
${each(loads, (i) => [
  `let to${i} = item${i} * sizes.outputPitch + sizes.outputStart + pixel${i};`,
  `let isMine${i} = mine${i} < sizes.places;`,
])}
    let last = min((block + 1u) * ${rowsPerLane}u, sizes.rows);
    ${stores.rows}
  }
}
`;
  return {
    key: `pointwise.${rowsPerLane}.${isWhole ? 'v' : 's'}.${lanes}`,
    bindings: ['read', 'read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(walks * rowBlocks),
    requires: ['subgroups'],
    constants: [
      ...[batch * plane, runs, tiles, walks, rowBlocks, channels / STEP, plane],
      ...[imageSlice.channels * plane, imageSlice.first * plane],
      ...[outputSlice.channels * plane, outputSlice.first * plane],
      ...[rows, bias ? 1 : 0, epilogueCode(activation), floatBits(epilogueSlope(activation))],
      accumulate ? 1 : 0,
      touchedChannels(batch * channels * height * width, channels),
      0,
    ],
    code,
  };
}

function listed(count: number, item: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => item(i)).join(', ');
}

function each(count: number, lines: (i: number) => string[]): string {
  return Array.from({ length: count }, (_, i) => lines(i))
    .flat()
    .map((line) => `    ${line}`)
    .join('\n');
}

/** WGSL of a step: loads, then for every row its products with four channels. */
function body({ rowsPerLane }: CorrelationTiles, lanes: number, loads: number): string {
  const lines: string[] = [];
  for (let part = 0; part < Math.ceil(rowsPerLane / lanes); part++) {
    lines.push(`let held${part} = weights[weight + ${part * lanes}u];`);
  }
  for (let c = 0; c < STEP; c++) {
    const pixels = listed(loads, (i) => `image[from${i} + ${c}u * sizes.plane]`);
    lines.push(`let x${c} = vec4f(${pixels});`);
  }
  for (let r = 0; r < rowsPerLane; r++) {
    lines.push(`let w${r} = subgroupBroadcast(held${Math.floor(r / lanes)}, ${r % lanes}u);`);
    const terms = [...COMPONENTS].map((component, c) => `w${r}.${component} * x${c}`);
    lines.push(`sum${r} = sum${r} + ${terms.join(' + ')};`);
  }
  lines.push(`weight += ${rowsPerLane}u;`);
  for (let i = 0; i < loads; i++) lines.push(`from${i} += ${STEP}u * sizes.plane;`);
  return lines.map((line) => `      ${line}`).join('\n');
}
