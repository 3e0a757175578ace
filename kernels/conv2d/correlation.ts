import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Activation } from '../activation.ts';
import { type AdapterProfile, floatBits, type Kernel, spreadWorkgroups } from '../kernel.ts';
import { EPILOGUE_ACTIVATION, epilogueCode, epilogueSlope } from './epilogue.ts';
import { roundUp } from './geometry.ts';

/*
 * The core that convolution (stride s in, dense out) and its data gradient (dense in, stride P out)
 * share: a correlation of frames with packed weights.
 *
 *   y[n, r, P·q+a, P·j+b] = f(bias[r] + Σ_{c,t,u} W[a][r,c,t,b,u] · frame[n, c, s·q+A[a]+t, s·j+A[b]+u])
 *
 * q, j run over a grid that covers the output in steps of P; a, b < P are the output's parities along
 * y and x; t < TY, u < TX are taps. The weights W are packed by `packWeights` as
 *
 *   [parity a][row block][channel block][t] [row][channel][b][u]
 *
 * Tiling for CPU drivers: a lane owns R rows at 4 consecutive j and all parities b, as R·P vec4
 * accumulators. A step (channel block, t) loads the frame's rows as whole vec4s, of which the taps
 * are swizzles, and the weights of R rows. Lanes of a subgroup take consecutive quads of j and, as
 * they need the same weights, each loads another vec4 of them and passes it on by broadcast: there a
 * load costs as much as dozens of multiplications, whether lanes want the same address or not.
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
  readonly frameHeight: number;
  readonly frameWidth: number;
  /** Step in the frame from one j to the next. */
  readonly stride: number;
  /** Taps along y and x per parity. */
  readonly tapsY: number;
  readonly tapsX: number;
  /** A[a] and A[b]: where in the frame the taps of each parity start. Their number is P. */
  readonly offsets: readonly number[];
  readonly outHeight: number;
  readonly outWidth: number;
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
  const parities = spec.offsets.length;
  let rowsPerLane = ACCUMULATORS;
  while (rowsPerLane > 1 && rowsPerLane * parities > ACCUMULATORS) rowsPerLane /= 2;
  while (rowsPerLane > 1 && rowsPerLane / 2 >= spec.rows) rowsPerLane /= 2;
  const taps = parities * spec.tapsX;
  let channelBlock = 1;
  while (taps * channelBlock * 2 <= 4 && spec.channels % (channelBlock * 2) === 0) {
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

/** Extents that a frame must at least have for the correlation to read inside it. */
export function frameExtents(
  spec: Omit<Correlation, 'frameHeight' | 'frameWidth'>,
): [height: number, width: number] {
  const parities = spec.offsets.length;
  const steps = Math.ceil(spec.outHeight / parities);
  const quads = Math.ceil(spec.outWidth / parities / 4);
  const offset = Math.max(...spec.offsets);
  return [
    spec.stride * (steps - 1) + offset + spec.tapsY,
    roundUp(spec.stride * (4 * quads - 1) + offset + spec.tapsX, 4),
  ];
}

export const COMPONENTS = 'xyzw';

/** WGSL of a vec4 made of elements of loaded vec4s `name0`, `name1`, …, from `first` in steps. */
export function gather(name: string, first: number, step: number): string {
  const at = [0, 1, 2, 3].map((i) => first + step * i);
  const vector = at[0] >> 2;
  if (at.every((e) => e >> 2 === vector)) {
    const swizzle = at.map((e) => COMPONENTS[e & 3]).join('');
    return swizzle === 'xyzw' ? `${name}${vector}` : `${name}${vector}.${swizzle}`;
  }
  return `vec4f(${at.map((e) => `${name}${e >> 2}.${COMPONENTS[e & 3]}`).join(', ')})`;
}

/**
 * Bindings: frame, packed weights, bias (any storage if there is none), output, sizes.
 * @param profile with a fixed subgroup size the broadcasting variant is made
 */
export function correlate(spec: Correlation, profile: AdapterProfile): Kernel {
  const { batch, channels, rows, frameHeight, frameWidth, stride, tapsX, tapsY, offsets } = spec;
  const { outHeight, outWidth, bias, activation } = spec;
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
  const planePitch = (frameHeight * frameWidth) / 4;

  const code = (): string => wgsl`
#if ${lanes > 0}
enable subgroups;
#endif
struct Sizes {
  places: u32, laneGroups: u32, rowBlocks: u32, quads: u32, steps: u32,
  channelSteps: u32, taps: u32, rowPitch: u32, planePitch: u32, imagePitch: u32, weightPitch: u32,
  rows: u32, outHeight: u32, outWidth: u32, biased: u32, activation: u32, slope: u32,
}
@group(0) @binding(0) var<storage, read> frame: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<${aligned ? 'vec4f' : 'f32'}>;
@group(0) @binding(4) var<storage, read> sizes: Sizes;

const OFFSETS = array<u32, ${parities}>(${offsets.map((offset) => `${offset}u`).join(', ')});
${EPILOGUE_ACTIVATION}

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
  let image = place / (sizes.quads * sizes.steps);
  var plane = image * sizes.imagePitch + (${stride}u * row + OFFSETS[parity]) * sizes.rowPitch + ${stride}u * quad;
  var weight = (parity * sizes.rowBlocks + block) * sizes.weightPitch;
${accumulators(tiles)}
  for (var c = 0u; c < sizes.channelSteps; c++) {
    var at = plane;
    for (var t = 0u; t < sizes.taps; t++) {
${step(spec, tiles, lanes)}
      at += sizes.rowPitch;
      weight += ${weightVectors}u;
    }
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
    let start = ((image * sizes.rows + o) * sizes.outHeight + y) * sizes.outWidth + x;
    let width = min(${4 * parities}u, sizes.outWidth - x);
    for (var e = 0u; e < width; e += 4u) {
      let z = sums[r * ${parities}u + e / 4u] + shift;
      let value = activate(z, sizes.activation, bitcast<f32>(sizes.slope));
#if ${aligned}
      result[(start + e) / 4u] = value;
#else
      let end = min(4u, width - e);
      for (var i = 0u; i < end; i++) { result[start + e + i] = value[i]; }
#endif
    }
  }
}
`;
  return {
    key: `correlate.s${stride}x${tapsX}@${offsets.join(',')}.${rowsPerLane}.${channelBlock}.${aligned ? 'v' : 's'}.${lanes}`,
    bindings: ['read', 'read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(laneGroups * rowBlocks * parities),
    requires: lanes ? ['subgroups'] : [],
    constants: [
      places,
      laneGroups,
      rowBlocks,
      quads,
      steps,
      channels / channelBlock,
      tapsY,
      frameWidth / 4,
      planePitch,
      channels * planePitch,
      (channels / channelBlock) * tapsY * weightVectors,
      rows,
      outHeight,
      outWidth,
      bias ? 1 : 0,
      epilogueCode(activation),
      floatBits(epilogueSlope(activation)),
    ],
    code,
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
function step(spec: Correlation, tiles: CorrelationTiles, lanes: number): string {
  const { stride, tapsX, offsets } = spec;
  const { parities, rowsPerLane, channelBlock, vectorsPerRow } = tiles;
  const frameVectors = Math.floor((3 * stride + Math.max(...offsets) + tapsX - 1) / 4) + 1;
  const loads = lanes ? Math.ceil((rowsPerLane * vectorsPerRow) / lanes) : 0;
  const lines: string[] = [];
  for (let i = 0; i < loads; i++) {
    lines.push(`let held${i} = weights[weight + ${i * lanes}u + lane];`);
  }
  for (let c = 0; c < channelBlock; c++) {
    for (let i = 0; i < frameVectors; i++) {
      lines.push(`let c${c}v${i} = frame[at + ${c}u * sizes.planePitch + ${i}u];`);
    }
  }
  for (let c = 0; c < channelBlock; c++) {
    for (let b = 0; b < parities; b++) {
      for (let u = 0; u < tapsX; u++) {
        lines.push(`let x${c}_${b}_${u} = ${gather(`c${c}v`, offsets[b] + u, stride)};`);
      }
    }
  }
  for (let r = 0; r < rowsPerLane; r++) {
    for (let i = 0; i < vectorsPerRow; i++) {
      const k = r * vectorsPerRow + i;
      const value = lanes
        ? `subgroupBroadcast(held${Math.floor(k / lanes)}, ${k % lanes}u)`
        : `weights[weight + ${k}u]`;
      lines.push(`let w${r}_${i} = ${value};`);
    }
    for (let b = 0; b < parities; b++) {
      const terms: string[] = [];
      for (let c = 0; c < channelBlock; c++) {
        for (let u = 0; u < tapsX; u++) {
          const k = (c * parities + b) * tapsX + u;
          terms.push(`w${r}_${k >> 2}.${COMPONENTS[k & 3]} * x${c}_${b}_${u}`);
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
