import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Activation } from '../activation.ts';
import { type AdapterProfile, floatBits, type Kernel, spreadWorkgroups } from '../kernel.ts';
import { EPILOGUE_ACTIVATION, epilogueCode, epilogueSlope } from './epilogue.ts';
import type { ChannelSlice, PaddingMode } from './geometry.ts';
import {
  type Window,
  windowColumns,
  windowFunctions,
  windowKey,
  windowLoads,
  windowOf,
  windowRow,
  windowVector,
} from './window.ts';

/*
 * The core that convolution (stride s in, dense out) and its data gradient (dense in, stride P out)
 * share: a correlation of images with weights.
 *
 *   y[n, r, P·q+a, P·j+b] = f(bias[r] + Σ_{c,t,u} W[a][r,c,t,b,u] · x̄[n, c, s·q+A[a]+t, s·j+B[b]+u])
 *
 * x̄ is the image extended to all sides. q, j run over a grid that covers the output in steps of P;
 * a, b < P are the output's parities along y and x; t < TY, u < TX are taps.
 *
 * Tiling for CPU drivers: a lane owns R rows at 4 consecutive j and all parities b, as R·P vec4
 * accumulators. A step (channel block, t) loads the pixels that these outputs need of one image row
 * (`window.ts`) and the weights of R rows. Lanes of a subgroup take consecutive quads of j and, as
 * they need the same weights, each loads another vec4 of them and passes it on by broadcast: there a
 * load costs as much as dozens of multiplications, whether lanes want the same address or not.
 *
 * The weights W are either packed by `packWeights` as
 *
 *   [parity a][row block][channel block][t] [row][channel][b][u]
 *
 * or, where a step's weights of one row happen to be a vec4 of the tensor [O,C,KH,KW] itself, read
 * from there.
 *
 * Sizes are constants of the dispatch, not of the code: compiling takes a CPU driver a second, and
 * layers that differ in size only share a pipeline. That the number of taps along y is one of them
 * also keeps the driver from unrolling the loop over them, after which it would compute the products
 * of later steps early and spill them.
 */

export interface Correlation {
  readonly batch: number;
  /** Channels summed over. */
  readonly channels: number;
  /** Output channels. */
  readonly rows: number;
  /** The image's extents, and how it goes on beyond them. */
  readonly height: number;
  readonly width: number;
  readonly mode: PaddingMode;
  /** Step in the image from one j to the next. */
  readonly stride: number;
  /** Taps along y and x per parity. */
  readonly tapsY: number;
  readonly tapsX: number;
  /** A[a] and B[b]: where in the image the taps of each parity start. Their number is P. */
  readonly offsetsY: readonly number[];
  readonly offsetsX: readonly number[];
  readonly outHeight: number;
  readonly outWidth: number;
  /** Channels of a larger tensor that the image, or the output, is; default all of its own. */
  readonly imageSlice?: ChannelSlice | undefined;
  readonly outputSlice?: ChannelSlice | undefined;
  /** Whether results are added to what the output holds; default false. */
  readonly accumulate?: boolean | undefined;
  readonly bias: boolean;
  readonly activation: Activation;
}

/** vec4 accumulators of a lane. */
const ACCUMULATORS = 16;

/** How the work of a correlation is cut into steps and blocks; the packed weights follow it. */
export interface CorrelationTiles {
  /** P. */
  readonly parities: number;
  /** R: output channels a lane. */
  readonly rowsPerLane: number;
  readonly rowBlocks: number;
  /** Channels summed in one step. */
  readonly channelBlock: number;
  /** vec4s that hold one row's weights of one step, [channel][b][u], padded with zeros. */
  readonly vectorsPerRow: number;
}

export function correlationTiles(spec: Correlation): CorrelationTiles {
  const parities = spec.offsetsX.length;
  let rowsPerLane = ACCUMULATORS;
  while (rowsPerLane > 1 && rowsPerLane * parities > ACCUMULATORS) rowsPerLane /= 2;
  while (rowsPerLane > 1 && rowsPerLane / 2 >= spec.rows) rowsPerLane /= 2;
  const taps = parities * spec.tapsX;
  let channelBlock = 1;
  while (spec.tapsX * channelBlock * 2 <= 4 && spec.channels % (channelBlock * 2) === 0) {
    channelBlock *= 2;
  }
  return {
    parities,
    rowsPerLane,
    rowBlocks: Math.ceil(spec.rows / rowsPerLane),
    channelBlock,
    vectorsPerRow: Math.ceil((taps * channelBlock) / 4),
  };
}

/** Length of the packed weights in elements. */
export function packedLength(spec: Correlation): number {
  const tiles = correlationTiles(spec);
  const steps = (spec.channels / tiles.channelBlock) * spec.tapsY;
  return tiles.parities * tiles.rowBlocks * steps * tiles.rowsPerLane * tiles.vectorsPerRow * 4;
}

/**
 * Where a correlation finds the vec4 of weights of (parity, row, channel block, t) in the weight
 * tensor: its vector i is at base[parity] + row·row + (vectorsPerRow·block + i)·channel + t·tap, counted
 * in vec4s. A channel has a vec4 of its own, or, of a 1×1 kernel, four channels share one.
 */
export interface DirectWeights {
  readonly bases: readonly number[];
  readonly row: number;
  readonly channel: number;
  readonly tap: number;
  /** Component of the vec4 that holds its k-th weight (of taps b, u, or channels). */
  readonly components: readonly number[];
}

const COMPONENTS = 'xyzw';

/** The pixels, counted from the first, that taps u of parity b meet for outputs 0 … 3. */
function tapPixels({ stride, offsetsX }: Correlation, b: number, u: number): number[] {
  return [0, 1, 2, 3].map((i) => stride * i + offsetsX[b] + u);
}

/**
 * Bindings: image, image, weights, bias (any storage if there is none), output, sizes.
 * @param direct where the weights are in their tensor; absent if they are packed
 * @param profile with a fixed subgroup size the broadcasting variant is made
 */
export function correlate(
  spec: Correlation,
  direct: DirectWeights | undefined,
  profile: AdapterProfile,
): Kernel {
  const { batch, channels, rows, height, width, stride, tapsX, tapsY, offsetsX, offsetsY } = spec;
  const { outHeight, outWidth, bias, activation, accumulate = false } = spec;
  const { imageSlice = { first: 0, channels }, outputSlice = { first: 0, channels: rows } } = spec;
  const tiles = correlationTiles(spec);
  const { parities, rowsPerLane, rowBlocks, channelBlock, vectorsPerRow } = tiles;
  const lanes = profile.subgroupSize;
  const workgroup = lanes || 32;
  const aligned = outWidth % 4 === 0;
  const steps = Math.ceil(outHeight / parities);
  const quads = Math.ceil(outWidth / parities / 4);
  const places = batch * steps * quads;
  const laneGroups = Math.ceil(places / workgroup);
  const weightVectors = rowsPerLane * vectorsPerRow;
  const window = windowOf({
    stride,
    first: Math.min(...offsetsX),
    end: 3 * stride + Math.max(...offsetsX) + tapsX,
    width,
    quads,
    mode: spec.mode,
    rowsInside:
      Math.min(...offsetsY) >= 0 && stride * (steps - 1) + Math.max(...offsetsY) + tapsY <= height,
  });

  const code = (): string => wgsl`
#if ${lanes > 0}
enable subgroups;
#endif
struct Sizes {
  places: u32, laneGroups: u32, rowBlocks: u32, quads: u32, steps: u32, channelSteps: u32, taps: u32,
  height: i32, width: i32, planePitch: u32, imagePitch: u32, imageStart: u32,
  weightRow: u32, weightVector: u32, weightChannel: u32, weightTap: u32, weightBase: array<u32, ${parities}>,
  rows: u32, outputRows: u32, outputFirst: u32, outHeight: u32, outWidth: u32,
  biased: u32, activation: u32, slope: u32, accumulate: u32,
}
@group(0) @binding(0) var<storage, read> imageVectors: array<vec4f>;
@group(0) @binding(1) var<storage, read> imagePixels: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> result: array<${aligned ? 'vec4f' : 'f32'}>;
@group(0) @binding(5) var<storage, read> sizes: Sizes;

const OFFSETS = array<i32, ${parities}>(${offsetsY.join(', ')});
${EPILOGUE_ACTIVATION}
${windowFunctions(window.mode)}

@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * groups.x + group.x;
  if (index >= sizes.laneGroups * sizes.rowBlocks * ${parities}u) { return; }
  let block = (index / sizes.laneGroups) % sizes.rowBlocks;
  let parity = index / (sizes.laneGroups * sizes.rowBlocks);
  let mine = (index % sizes.laneGroups) * ${workgroup}u + lane;
  // Lanes beyond the end help with the weights and store nothing.
  let place = min(mine, sizes.places - 1u);
  let quad = place % sizes.quads;
  let row = (place / sizes.quads) % sizes.steps;
  let item = place / (sizes.quads * sizes.steps);
  let y0 = i32(${stride}u * row) + OFFSETS[parity];
  ${windowColumns(window, 'image', 'quad', 'sizes.width').join('\n  ')}
  var plane = item * sizes.imagePitch + sizes.imageStart;
  ${weightStarts(tiles, lanes, direct).join('\n  ')}
${accumulators(tiles)}
  for (var c = 0u; c < sizes.channelSteps; c++) {
    for (var t = 0u; t < sizes.taps; t++) {
${step(spec, window, tiles, lanes, direct)}
      weight += sizes.weightTap;
    }
    weight += sizes.weightChannel;
    plane += ${channelBlock}u * sizes.planePitch;
  }
  let y = ${parities}u * row + parity;
  if (mine >= sizes.places || y >= sizes.outHeight) { return; }
  var sums = array<vec4f, ${rowsPerLane * parities}>(${outputs(tiles)});
  let x = ${4 * parities}u * quad;
  // Loops whose bounds the driver cannot see: unrolled, the stores would be most of the code.
  let last = min((block + 1u) * ${rowsPerLane}u, sizes.rows);
  for (var o = block * ${rowsPerLane}u; o < last; o++) {
    let r = o % ${rowsPerLane}u;
    var shift = 0.0;
    if (sizes.biased != 0u) { shift = bias[o]; }
    let channel = item * sizes.outputRows + sizes.outputFirst + o;
    let start = (channel * sizes.outHeight + y) * sizes.outWidth + x;
    let width = min(${4 * parities}u, sizes.outWidth - x);
    for (var e = 0u; e < width; e += 4u) {
      let z = sums[r * ${parities}u + e / 4u] + shift;
      var value = activate(z, sizes.activation, bitcast<f32>(sizes.slope));
#if ${aligned}
      if (sizes.accumulate != 0u) { value += result[(start + e) / 4u]; }
      result[(start + e) / 4u] = value;
#else
      let end = min(4u, width - e);
      for (var i = 0u; i < end; i++) {
        if (sizes.accumulate != 0u) { value[i] += result[start + e + i]; }
        result[start + e + i] = value[i];
      }
#endif
    }
  }
}
`;
  const channelSteps = channels / channelBlock;
  const pitches = direct
    ? [
        direct.row,
        direct.channel,
        vectorsPerRow * direct.channel - tapsY * direct.tap,
        direct.tap,
        ...direct.bases,
      ]
    : [
        0,
        0,
        0,
        weightVectors,
        ...offsetsY.map((_, a) => a * rowBlocks * channelSteps * tapsY * weightVectors),
      ];
  return {
    key: `correlate.${windowKey(window)}x${tapsX}@${offsetsX.join(',')};${offsetsY.join(',')}.${rowsPerLane}.${channelBlock}.${aligned ? 'v' : 's'}.${lanes}${direct ? `.w${direct.components.join('')}` : ''}`,
    bindings: ['read', 'read', 'read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(laneGroups * rowBlocks * parities),
    requires: lanes ? ['subgroups'] : [],
    constants: [
      places,
      laneGroups,
      rowBlocks,
      quads,
      steps,
      channelSteps,
      tapsY,
      height,
      width,
      height * width,
      imageSlice.channels * height * width,
      imageSlice.first * height * width,
      ...pitches.map((pitch) => pitch >>> 0),
      rows,
      outputSlice.channels,
      outputSlice.first,
      outHeight,
      outWidth,
      bias ? 1 : 0,
      epilogueCode(activation),
      floatBits(epilogueSlope(activation)),
      accumulate ? 1 : 0,
    ],
    code,
  };
}

/**
 * WGSL of where the lane's weights start: `weight`, which moves on with every step, and for each vec4
 * that the lane loads in a step the distance from there, `rowFrom…`.
 */
function weightStarts(
  { rowsPerLane, vectorsPerRow }: CorrelationTiles,
  lanes: number,
  direct: DirectWeights | undefined,
): string[] {
  const lines: string[] = [];
  if (direct) {
    lines.push('var weight = sizes.weightBase[parity];');
    for (let i = 0; i < (lanes ? Math.ceil(rowsPerLane / lanes) : rowsPerLane); i++) {
      const row = lanes ? `${i * lanes}u + lane % ${rowsPerLane}u` : `${i}u`;
      lines.push(
        `let rowFrom${i} = min(block * ${rowsPerLane}u + ${row}, sizes.rows - 1u) * sizes.weightRow;`,
      );
    }
    return lines;
  }
  const vectors = rowsPerLane * vectorsPerRow;
  lines.push(
    `var weight = sizes.weightBase[parity] + block * sizes.channelSteps * sizes.taps * ${vectors}u;`,
  );
  for (let i = 0; i < (lanes ? Math.ceil(vectors / lanes) : vectors); i++) {
    lines.push(`let rowFrom${i} = ${lanes ? `${i * lanes}u + lane` : `${i}u`};`);
  }
  return lines;
}

/** WGSL that loads a step's weights, and of vector i of row r. */
function weightLoads(
  { rowsPerLane, vectorsPerRow }: CorrelationTiles,
  lanes: number,
  direct: DirectWeights | undefined,
): { readonly loads: string[]; readonly vector: (r: number, i: number) => string } {
  const fetch = (part: number, i: number): string => {
    const offset = direct && i > 0 ? ` + ${i}u * sizes.weightVector` : '';
    return `weights[weight + rowFrom${part}${offset}]`;
  };
  if (!direct) {
    const vectors = rowsPerLane * vectorsPerRow;
    const parts = lanes ? Math.ceil(vectors / lanes) : 0;
    return {
      loads: Array.from({ length: parts }, (_, part) => `let held${part} = ${fetch(part, 0)};`),
      vector: (r, i) => {
        const k = r * vectorsPerRow + i;
        return lanes
          ? `subgroupBroadcast(held${Math.floor(k / lanes)}, ${k % lanes}u)`
          : fetch(k, 0);
      },
    };
  }
  const loads: string[] = [];
  for (let i = 0; i < vectorsPerRow; i++) {
    for (let part = 0; part < (lanes ? Math.ceil(rowsPerLane / lanes) : 0); part++) {
      loads.push(`let held${part}_${i} = ${fetch(part, i)};`);
    }
  }
  return {
    loads,
    vector: (r, i) =>
      lanes ? `subgroupBroadcast(held${Math.floor(r / lanes)}_${i}, ${r % lanes}u)` : fetch(r, i),
  };
}

/** WGSL of the accumulators: row r, parity b along x. */
function accumulators({ rowsPerLane, parities }: CorrelationTiles): string {
  const lines: string[] = [];
  for (let r = 0; r < rowsPerLane; r++) {
    for (let b = 0; b < parities; b++) lines.push(`  var sum${r}_${b} = vec4f(0.0);`);
  }
  return lines.join('\n');
}

/** WGSL of one step: loads, then for every row its products with all taps. */
function step(
  spec: Correlation,
  window: Window,
  tiles: CorrelationTiles,
  lanes: number,
  direct: DirectWeights | undefined,
): string {
  const { tapsX } = spec;
  const { parities, rowsPerLane, channelBlock, vectorsPerRow } = tiles;
  const lines = windowRow(window, 'image', 'y0 + i32(t)', 'sizes.height');
  lines.push('let origin = plane + imageRow * u32(sizes.width);');
  const weights = weightLoads(tiles, lanes, direct);
  lines.push(...weights.loads);
  for (let c = 0; c < channelBlock; c++) {
    lines.push(...windowLoads(window, 'image', `c${c}`, `origin + ${c}u * sizes.planePitch`));
    for (let b = 0; b < parities; b++) {
      for (let u = 0; u < tapsX; u++) {
        const pixels = windowVector(window, `c${c}`, tapPixels(spec, b, u));
        lines.push(`let x${c}_${b}_${u} = ${pixels};`);
      }
    }
  }
  for (let r = 0; r < rowsPerLane; r++) {
    for (let i = 0; i < vectorsPerRow; i++) {
      lines.push(`let w${r}_${i} = ${weights.vector(r, i)};`);
    }
    for (let b = 0; b < parities; b++) {
      const terms: string[] = [];
      for (let c = 0; c < channelBlock; c++) {
        for (let u = 0; u < tapsX; u++) {
          const k = (c * parities + b) * tapsX + u;
          const component = COMPONENTS[direct ? direct.components[k & 3] : k & 3];
          terms.push(`w${r}_${k >> 2}.${component} * x${c}_${b}_${u}`);
        }
      }
      lines.push(`sum${r}_${b} = sum${r}_${b} + ${terms.join(' + ')};`);
    }
  }
  return lines.map((line) => `      ${line}`).join('\n');
}

/** WGSL of a lane's results in the order of the image: output 4v+i of row r, of its 4P. */
function outputs({ rowsPerLane, parities }: CorrelationTiles): string {
  const vectors: string[] = [];
  for (let r = 0; r < rowsPerLane; r++) {
    for (let v = 0; v < parities; v++) {
      const parts = [0, 1, 2, 3].map((i) => {
        const e = 4 * v + i;
        return `sum${r}_${e % parities}.${COMPONENTS[Math.floor(e / parities)]}`;
      });
      vectors.push(parities === 1 ? `sum${r}_0` : `vec4f(${parts.join(', ')})`);
    }
  }
  return vectors.join(', ');
}
