import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from '../../kernel.ts';
import { linearMain, linearWorkgroups } from '../../linear.ts';
import { roundUp } from '../geometry.ts';
import type { Tile } from './tile.ts';

/*
 * The row operand of a correlation: weights in the order in which its tiles read them,
 *
 *   packed [group of rows][parity][step][k of the step][row of the group]
 *
 * where k = (tap t, tap u, channel) with channels fastest; what is missing to whole steps and to whole
 * groups of rows is zero. Tiles in workgroup memory have all rows in one group.
 * Forward: row = o, channel = c, tap (t,u) = (ky,kx). Data gradient: row = c, channel = o, and the
 * pixels of a parity see ky = phase + s·(TY-1-t), kx = phase' + s·(TX-1-u); taps outside of the kernel
 * are zero.
 */

/** How weights [O,C,KH,KW] are read. */
export interface WeightOrder {
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  /** Of the convolution whose data gradient it is; absent for the forward pass. */
  readonly adjoint?: { readonly stride: number; readonly phases: readonly number[] } | undefined;
}

export interface PackedWeights extends WeightOrder {
  readonly rows: number;
  readonly channels: number;
  readonly tapsY: number;
  readonly tapsX: number;
  /** What the number of values of k is rounded up to for each parity. */
  readonly depth: number;
  /** Rows of a group, a multiple of 4. */
  readonly groupRows: number;
  /** Whether k is (tap t, channel, tap u) instead, with u fastest. */
  readonly tapsFirst?: boolean | undefined;
}

/** Length of the packed weights in elements. */
export function packedLength(weights: PackedWeights): number {
  const { rows, channels, tapsY, tapsX, depth, groupRows, adjoint } = weights;
  const parities = (adjoint?.phases.length ?? 1) ** 2;
  return parities * roundUp(tapsY * tapsX * channels, depth) * roundUp(rows, groupRows);
}

/**
 * Bindings: weights [O,C,KH,KW], packed, sizes. An invocation makes one vec4, and neighbours read
 * neighbouring weights: they run over taps first. Those at the end fill up the last step.
 */
export function packWeights(weights: PackedWeights): Kernel {
  const { rows, channels, tapsY, tapsX, kernelHeight, kernelWidth, depth, adjoint } = weights;
  const plane = kernelHeight * kernelWidth;
  const pitch = roundUp(tapsY * tapsX * channels, depth);
  const groupQuads = weights.groupRows / 4;
  const quads = roundUp(rows, weights.groupRows) / 4;
  const parities = adjoint?.phases.length ?? 1;
  const filled = parities ** 2 * tapsY * tapsX * channels * quads;
  return {
    key: `gpu.pack${adjoint ? '.adjoint' : ''}`,
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(packedLength(weights) / 4),
    constants: [
      filled,
      rows,
      quads,
      groupQuads,
      parities ** 2 * pitch * groupQuads,
      weights.tapsFirst ? 1 : channels,
      weights.tapsFirst ? tapsX : 1,
      channels,
      pitch,
      tapsY,
      tapsX,
      kernelHeight,
      kernelWidth,
      adjoint ? plane : channels * plane,
      adjoint ? rows * plane : plane,
      parities,
      adjoint?.stride ?? 1,
      ...(adjoint?.phases ?? [0]),
    ],
    code: () => wgsl`
struct Sizes {
  filled: u32, rows: u32, quads: u32, groupQuads: u32, groupPitch: u32, tapPitch: u32, placePitch: u32, channels: u32, pitch: u32, tapsY: u32, tapsX: u32,
  kernelHeight: u32, kernelWidth: u32, rowPitch: u32, channelPitch: u32,
  parities: u32, stride: u32, phases: array<u32>,
}
@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> packed: array<vec4f>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;

fn placeOf(k: u32, quad: u32) -> u32 {
  let inGroup = k * sizes.groupQuads + quad % sizes.groupQuads;
  return quad / sizes.groupQuads * sizes.groupPitch + inGroup;
}

${linearMain('arrayLength(&packed)')}
  let taps = sizes.tapsY * sizes.tapsX;
  if (index >= sizes.filled) {
    let rest = sizes.pitch - taps * sizes.channels;
    let k = (index - sizes.filled) / sizes.quads;
    let at = (k / rest + 1u) * sizes.pitch - rest + k % rest;
    packed[placeOf(at, (index - sizes.filled) % sizes.quads)] = vec4f(0.0);
    return;
  }
  let b = index % sizes.parities;
  let u = index / sizes.parities % sizes.tapsX;
  let a = index / (sizes.parities * sizes.tapsX) % sizes.parities;
  let t = index / (sizes.parities * sizes.parities * sizes.tapsX) % sizes.tapsY;
  let outer = index / (sizes.parities * sizes.parities * taps);
#if ${adjoint !== undefined}
  let quad = outer % sizes.quads;
  let channel = outer / sizes.quads;
  let ky = sizes.phases[a] + sizes.stride * (sizes.tapsY - 1u - t);
  let kx = sizes.phases[b] + sizes.stride * (sizes.tapsX - 1u - u);
#else
  let channel = outer % sizes.channels;
  let quad = outer / sizes.channels;
  let ky = t;
  let kx = u;
#endif
  var value = vec4f(0.0);
  if (ky < sizes.kernelHeight && kx < sizes.kernelWidth) {
    let at = 4u * quad * sizes.rowPitch + channel * sizes.channelPitch + ky * sizes.kernelWidth + kx;
    for (var i = 0u; i < 4u; i++) {
      if (4u * quad + i < sizes.rows) { value[i] = weights[at + i * sizes.rowPitch]; }
    }
  }
  let k = (a * sizes.parities + b) * sizes.pitch + t * sizes.tapsX * sizes.channels +
    u * sizes.tapPitch + channel * sizes.placePitch;
  packed[placeOf(k, quad)] = value;
}
`,
  };
}

/** vec4s of a half of a step's row tile that a thread copies. */
function rounds(tile: Tile): number {
  return Math.ceil(tile.depth / tile.columnThreads);
}

/** Where the thread's vec4s lie from the start of a step. Needs `firstRow` and
 * `weightsStep`, the length of a step. */
export function weightsSetup(tile: Tile): string {
  const lines = [
    `  let weightsK = lane / ${tile.rowThreads}u;`,
    `  let weightsQuad = lane % ${tile.rowThreads}u;`,
    `  let weightsSlot = weightsK * ${tile.columnThreads}u + weightsQuad;`,
  ];
  for (let half = 0; half < 2; half++) {
    for (let i = 0; i < rounds(tile); i++) {
      // Rows beyond the end are multiplied and never stored: any will do.
      lines.push(
        `  let weights${half}_${i} = min((weightsK + ${i * tile.columnThreads}u) * sizes.rowQuads + ` +
          `firstRow / 4u + ${half * tile.rowThreads}u + weightsQuad, weightsStep - 1u);`,
      );
    }
  }
  return lines.join('\n');
}

/** Needs `weightsAt`, where the step starts. */
export function weightsLoad(tile: Tile): string {
  const lines: string[] = [];
  for (let half = 0; half < 2; half++) {
    for (let i = 0; i < rounds(tile); i++) {
      lines.push(`  let w${half}_${i} = weights[weightsAt + weights${half}_${i}];`);
    }
  }
  return lines.join('\n');
}

export function weightsStore(tile: Tile): string {
  const lines: string[] = [];
  for (let half = 0; half < 2; half++) {
    for (let i = 0; i < rounds(tile); i++) {
      const store = `rowTile[${half}][weightsSlot + ${i * tile.columnThreads ** 2}u] = w${half}_${i};`;
      const spare = tile.columnThreads > tile.depth;
      lines.push(spare ? `  if (weightsK < ${tile.depth}u) { ${store} }` : `  ${store}`);
    }
  }
  return lines.join('\n');
}
