import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type Activation, activationForward, activationKey } from '../activation.ts';
import { type AdapterProfile, type Kernel, spreadWorkgroups } from '../kernel.ts';
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

/** Multiply-adds per lane and step are at most this many accumulators times taps. */
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
  while (taps * channelBlock * 2 <= 4 && spec.channels % (channelBlock * 2) === 0)
    channelBlock *= 2;
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

const COMPONENTS = 'xyzw';

/** WGSL of a vec4 made of elements of loaded vec4s `name0`, `name1`, …, starting at `first`. */
function gather(name: string, first: number, step: number): string {
  const at = [0, 1, 2, 3].map((i) => first + step * i);
  const vector = at[0] >> 2;
  if (at.every((e) => e >> 2 === vector)) {
    const swizzle = at.map((e) => COMPONENTS[e & 3]).join('');
    return swizzle === 'xyzw' ? `${name}${vector}` : `${name}${vector}.${swizzle}`;
  }
  return `vec4f(${at.map((e) => `${name}${e >> 2}.${COMPONENTS[e & 3]}`).join(', ')})`;
}

/**
 * Bindings: frame, packed weights, bias (only if `bias`), output.
 * @param profile with a fixed subgroup size the broadcasting variant is made
 */
export function correlate(spec: Correlation, profile: AdapterProfile): Kernel {
  const { batch, channels, rows, frameHeight, frameWidth, stride, tapsX, tapsY, offsets } = spec;
  const { outHeight, outWidth, bias, activation } = spec;
  const tiles = correlationTiles(spec);
  const { parities, rowsPerLane, rowBlocks, channelBlock, vectorsPerRow } = tiles;
  const lanes = profile.subgroupSize;
  const workgroup = lanes || 32;
  const steps = Math.ceil(outHeight / parities);
  const quads = Math.ceil(outWidth / parities / 4);
  const total = batch * steps * quads;
  const laneGroups = Math.ceil(total / workgroup);
  const count = laneGroups * rowBlocks * parities;

  const code = (): string => {
    const weightVectors = rowsPerLane * vectorsPerRow;
    const loads = lanes ? Math.ceil(weightVectors / lanes) : 0;
    const frameVectors = Math.floor((3 * stride + Math.max(...offsets) + tapsX - 1) / 4) + 1;
    const planePitch = (frameHeight * frameWidth) / 4;
    const rowPitch = frameWidth / 4;
    const lines: string[] = [];
    for (let i = 0; i < loads; i++) {
      lines.push(`      let held${i} = weights[weight + ${i * lanes}u + lane];`);
    }
    for (let c = 0; c < channelBlock; c++) {
      for (let i = 0; i < frameVectors; i++) {
        lines.push(`      let c${c}v${i} = frame[at + ${c * planePitch + i}u];`);
      }
    }
    const taps: string[] = [];
    for (let c = 0; c < channelBlock; c++) {
      for (let b = 0; b < parities; b++) {
        for (let u = 0; u < tapsX; u++) {
          const name = `x${c}_${b}_${u}`;
          lines.push(`      let ${name} = ${gather(`c${c}v`, offsets[b] + u, stride)};`);
          taps.push(name);
        }
      }
    }
    for (let r = 0; r < rowsPerLane; r++) {
      for (let i = 0; i < vectorsPerRow; i++) {
        const k = r * vectorsPerRow + i;
        const value = lanes
          ? `subgroupBroadcast(held${Math.floor(k / lanes)}, ${k % lanes}u)`
          : `weights[weight + ${k}u]`;
        lines.push(`      let w${r}_${i} = ${value};`);
      }
      for (let b = 0; b < parities; b++) {
        const terms: string[] = [];
        for (let c = 0; c < channelBlock; c++) {
          for (let u = 0; u < tapsX; u++) {
            const k = (c * parities + b) * tapsX + u;
            terms.push(`w${r}_${k >> 2}.${COMPONENTS[k & 3]} * ${taps[k]}`);
          }
        }
        lines.push(`      sum${r}_${b} = sum${r}_${b} + ${terms.join(' + ')};`);
      }
    }
    const sums: string[] = [];
    const stores: string[] = [];
    for (let r = 0; r < rowsPerLane; r++) {
      for (let b = 0; b < parities; b++) sums.push(`  var sum${r}_${b} = vec4f(0.0);`);
      stores.push(storeRow(spec, tiles, r));
    }
    const aligned = outWidth % 4 === 0;
    return wgsl`
#if ${lanes > 0}
enable subgroups;
#endif
@group(0) @binding(0) var<storage, read> frame: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
#if ${bias}
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<${aligned ? 'vec4f' : 'f32'}>;
#else
@group(0) @binding(2) var<storage, read_write> result: array<${aligned ? 'vec4f' : 'f32'}>;
#endif

@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * groups.x + group.x;
  if (index >= ${count}u) { return; }
  let block = (index / ${laneGroups}u) % ${rowBlocks}u;
  let parity = index / ${laneGroups * rowBlocks}u;
  let mine = (index % ${laneGroups}u) * ${workgroup}u + lane;
  // Lanes beyond the end help with the weights and store nothing.
  let place = min(mine, ${total - 1}u);
  let quad = place % ${quads}u;
  let row = (place / ${quads}u) % ${steps}u;
  let image = place / ${steps * quads}u;
${offsetOf(offsets)}
  var plane = image * ${channels * planePitch}u + (${stride}u * row + offset) * ${rowPitch}u + ${stride}u * quad;
  var weight = (parity * ${rowBlocks}u + block) * ${(channels / channelBlock) * tapsY * weightVectors}u;
${sums.join('\n')}
  for (var c = 0u; c < ${channels / channelBlock}u; c++) {
    var at = plane;
    for (var t = 0u; t < ${tapsY}u; t++) {
${lines.join('\n')}
      at += ${rowPitch}u;
      weight += ${weightVectors}u;
    }
    plane += ${channelBlock * planePitch}u;
  }
  let y = ${parities}u * row + parity;
  if (mine >= ${total}u || y >= ${outHeight}u) { return; }
  let x = ${4 * parities}u * quad;
  let first = block * ${rowsPerLane}u;
  var output = ((image * ${rows}u + first) * ${outHeight}u + y) * ${outWidth}u + x;
${stores.join('\n')}
}
`;
  };
  const [x, y, z] = spreadWorkgroups(count);
  return {
    key: `correlate.${batch}x${channels}x${frameHeight}x${frameWidth}s${stride}-${rows}x${tapsY}x${tapsX}@${offsets.join(',')}-${outHeight}x${outWidth}.${bias ? 'bias' : ''}.${activationKey(activation)}.${lanes}`,
    bindings: bias ? ['read', 'read', 'read', 'write'] : ['read', 'read', 'write'],
    workgroups: [x, y, z],
    requires: lanes ? ['subgroups'] : [],
    code,
  };
}

/** WGSL of `offset`, A[parity]. */
function offsetOf(offsets: readonly number[]): string {
  if (offsets.every((offset) => offset === offsets[0])) return `  let offset = ${offsets[0]}u;`;
  const chain = offsets
    .slice(0, -1)
    .reduceRight(
      (rest, offset, a) => `select(${rest}, ${offset}u, parity == ${a}u)`,
      `${offsets[offsets.length - 1]}u`,
    );
  return `  let offset = ${chain};`;
}

/** WGSL that finishes and stores row `r` of the lane's tile, and moves on to the next. */
function storeRow(spec: Correlation, tiles: CorrelationTiles, r: number): string {
  const { rows, outHeight, outWidth, bias, activation } = spec;
  const { parities, rowsPerLane } = tiles;
  const lines: string[] = [];
  const aligned = outWidth % 4 === 0;
  const exact = outWidth % (4 * parities) === 0;
  for (let v = 0; v < parities; v++) {
    // The outputs 4v … 4v+3 of the lane's 4P: output e has parity e mod P and is number ⌊e/P⌋ there.
    const parts = [0, 1, 2, 3].map((i) => {
      const e = 4 * v + i;
      return `sum${r}_${e % parities}.${COMPONENTS[Math.floor(e / parities)]}`;
    });
    const value = parities === 1 ? `sum${r}_0` : `vec4f(${parts.join(', ')})`;
    const name = `value${r}_${v}`;
    lines.push(`    let z${r}_${v} = ${value}${bias ? ` + bias[first + ${r}u]` : ''};`);
    lines.push(`    let ${name} = ${activationForward(activation, `z${r}_${v}`)};`);
    if (aligned) {
      const store = `result[output / 4u + ${v}u] = ${name};`;
      lines.push(
        exact || v === 0 ? `    ${store}` : `    if (x + ${4 * v}u < ${outWidth}u) { ${store} }`,
      );
    } else {
      for (let i = 0; i < 4; i++) {
        const e = 4 * v + i;
        const store = `result[output + ${e}u] = ${name}.${COMPONENTS[i]};`;
        lines.push(e === 0 ? `    ${store}` : `    if (x + ${e}u < ${outWidth}u) { ${store} }`);
      }
    }
  }
  const guarded = rows % rowsPerLane !== 0 && r > 0;
  return `  ${guarded ? `if (first + ${r}u < ${rows}u) ` : ''}{
${lines.join('\n')}
  }
  output += ${outHeight * outWidth}u;`;
}
