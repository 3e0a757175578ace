import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type AdapterProfile, floatBits, type Kernel, spreadWorkgroups } from '../kernel.ts';
import {
  type Correlation,
  type CorrelationTiles,
  correlationTiles,
  tapPixels,
} from './correlation-spec.ts';
import { type DirectWeights, weightLoads, weightStarts } from './correlation-weights.ts';
import {
  ACTIVATE_VALUE,
  EPILOGUE_ACTIVATION,
  epilogueCode,
  epilogueSlope,
  storeVector,
} from './epilogue.ts';
import { fewCut, fewProducts } from './few-products.ts';
import { storeRows } from './store-rows.ts';
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

const COMPONENTS = 'xyzw';

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
  const { parities, rowsPerLane, channelBlock, vectorsPerRow } = tiles;
  const lanes = profile.subgroupSize;
  const workgroup = lanes || 32;
  const aligned = outWidth % 4 === 0;
  const steps = Math.ceil(outHeight / parities);
  const quads = Math.ceil(outWidth / parities / 4);
  const places = batch * steps * quads;
  const few = fewCut(spec, profile);
  const vectors = few?.vectors ?? 1;
  const laneGroups = Math.ceil(places / (workgroup * vectors));
  // Rows of a workgroup, and into how many blocks that cuts them.
  const share = few?.share ?? rowsPerLane;
  const rowBlocks = Math.ceil(rows / share);
  const weightVectors = rowsPerLane * vectorsPerRow;
  const window = windowOf({
    stride,
    first: Math.min(...offsetsX),
    end: 3 * stride + Math.max(...offsetsX) + tapsX,
    width,
    quads,
    mode: spec.mode,
    lanes,
    rowsInside:
      Math.min(...offsetsY) >= 0 && stride * (steps - 1) + Math.max(...offsetsY) + tapsY <= height,
  });

  const reads = spec.fold?.storage ? (['read', 'read'] as const) : (['read'] as const);
  const bindings = ['read', 'read', 'read', 'read', 'write', ...reads] as const;

  /** WGSL of where vec4 number e of a lane is, and what of the image it sees. */
  const place = (e: number): string => `
  let mine = (index % sizes.laneGroups * ${vectors}u + ${e}u) * ${workgroup}u + lane;
  // Lanes beyond the end help with the weights and store nothing.
  let place = min(mine, sizes.places - 1u);
  let quad = place % sizes.quads;
  let row = (place / sizes.quads) % sizes.steps;
  let item = place / (sizes.quads * sizes.steps);
  let y0 = i32(${stride}u * row) + OFFSETS[parity];
  ${windowColumns(window, 'image', 'quad', 'sizes.width').join('\n  ')}
  var plane = item * sizes.imagePitch + sizes.imageStart;`;

  const code = (): string => {
    const body = few
      ? fewProducts(
          spec,
          window,
          lanes,
          Array.from({ length: vectors }, (_, e) => place(e)),
        )
      : place(0) + tile(spec, window, tiles, lanes, direct);
    return wgsl`
#if ${lanes > 0}
enable subgroups;
#endif
struct Sizes {
  places: u32, laneGroups: u32, rowBlocks: u32, share: u32, quads: u32, steps: u32, channelSteps: u32, taps: u32,
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
${spec.fold?.storage ?? ''}
@group(0) @binding(${bindings.length - 1}) var<storage, read> sizes: Sizes;

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
${body}
}
`;
  };
  const channelSteps = channels / channelBlock;
  const pitches = direct
    ? [direct.row, direct.channel, vectorsPerRow * direct.channel, direct.tap, ...direct.bases]
    : [
        0,
        0,
        tapsY * weightVectors,
        weightVectors,
        ...offsetsY.map((_, a) => a * rowBlocks * channelSteps * tapsY * weightVectors),
      ];
  return {
    key: `correlate.${windowKey(window)}x${tapsX}@${offsetsX.join(',')};${offsetsY.join(',')}.${rowsPerLane}.${channelBlock}.${aligned ? 'v' : 's'}.${lanes}${direct ? `.w${direct.components.join('')}` : ''}${few ? `.few${vectors}x${tapsY}x${channels}` : ''}${spec.fold?.key ?? ''}`,
    bindings,
    workgroups: spreadWorkgroups(laneGroups * rowBlocks * parities),
    requires: lanes ? ['subgroups'] : [],
    constants: [
      places,
      laneGroups,
      rowBlocks,
      share,
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

/** WGSL that sums up a lane's tile, step by step, and stores it. */
function tile(
  spec: Correlation,
  window: Window,
  tiles: CorrelationTiles,
  lanes: number,
  direct: DirectWeights | undefined,
): string {
  const { outWidth } = spec;
  const { parities, rowsPerLane, channelBlock } = tiles;
  const { start = [], steps = 'sizes.taps', tap = 's', finish = '' } = spec.fold ?? {};
  const sums = Array.from({ length: rowsPerLane }, (_, r) =>
    Array.from({ length: parities }, (_, b) => `sum${r}_${b}`),
  );
  const stores = storeRows(
    sums,
    inOrder,
    outWidth % 4 === 0,
    (vector) => `var shift = 0.0;
    if (sizes.biased != 0u) { shift = bias[o]; }
    let channel = item * sizes.outputRows + sizes.outputFirst + o;
    let start = (channel * sizes.outHeight + y) * sizes.outWidth + x;
    let width = min(${4 * parities}u, sizes.outWidth - x);
    for (var e = 0u; e < width; e += 4u) {
      var value = ${vector} + shift;
      ${ACTIVATE_VALUE}
      ${finish}
      ${storeVector(outWidth, 'start + e', 'width - e')}
    }`,
  );
  return `  ${[...weightStarts(tiles, lanes, direct), ...start].join('\n  ')}
${sums
  .flat()
  .map((sum) => `  var ${sum} = vec4f(0.0);`)
  .join('\n')}
  for (var c = 0u; c < sizes.channelSteps; c++) {
    for (var s = 0u; s < ${steps}; s++) {
      let t = ${tap};
      let weight = channelWeights + t * sizes.weightTap;
${step(spec, window, tiles, lanes, direct)}
    }
    channelWeights += sizes.weightChannel;
    plane += ${channelBlock}u * sizes.planePitch;
  }
  let y = ${parities}u * row + parity;
  if (mine >= sizes.places || y >= sizes.outHeight) { return; }
  ${stores.start}
  let x = ${4 * parities}u * quad;
  let last = min((block + 1u) * ${rowsPerLane}u, sizes.rows);
  ${stores.rows}`;
}

/** WGSL of one step: loads, then for every row its products with all taps. */
function step(
  spec: Correlation,
  window: Window,
  tiles: CorrelationTiles,
  lanes: number,
  direct: DirectWeights | undefined,
): string {
  const { tapsX, fold } = spec;
  const { parities, rowsPerLane, channelBlock, vectorsPerRow } = tiles;
  const lines = windowRow(window, 'image', fold?.row ?? 'y0 + i32(t)', 'sizes.height');
  lines.push('let origin = plane + imageRow * u32(sizes.width);');
  const weights = weightLoads(tiles, lanes, direct);
  lines.push(...weights.loads);
  for (let c = 0; c < channelBlock; c++) {
    lines.push(...windowLoads(window, 'image', `c${c}`, `origin + ${c}u * sizes.planePitch`));
    for (let b = 0; b < parities; b++) {
      for (let u = 0; u < tapsX; u++) {
        const pixels = windowVector(window, `c${c}`, tapPixels(spec, b, u));
        const added = fold?.added(b, u, (e) =>
          windowVector(window, `c${c}`, [e, e + 1, e + 2, e + 3]),
        );
        lines.push(`let x${c}_${b}_${u} = ${pixels}${added ?? ''};`);
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

/** WGSL of a row's results in the order of the image: output 4v+i of its 4P. */
function inOrder(sums: readonly string[]): readonly string[] {
  const parities = sums.length;
  if (parities === 1) return sums;
  return sums.map((_, v) => {
    const parts = [0, 1, 2, 3].map((i) => {
      const e = 4 * v + i;
      return `${sums[e % parities]}.${COMPONENTS[Math.floor(e / parities)]}`;
    });
    return `vec4f(${parts.join(', ')})`;
  });
}
