import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type AdapterProfile, type Kernel, type Plan, spreadWorkgroups } from '../kernel.ts';
import { linearMain, linearWorkgroups } from '../linear.ts';
import { ACCUMULATORS, rowsOfBlock } from './correlation-spec.ts';
import { NO_EPILOGUE } from './epilogue.ts';
import { forwardCorrelation } from './forward.ts';
import { type ConvGeometry, flatten, outHeight, outWidth, roundUp } from './geometry.ts';
import { type RegisterVariant, registerVariants } from './register-variants.ts';
import { smallWeightGradient } from './small-weight-gradient.ts';
import {
  type Window,
  windowColumns,
  windowFunctions,
  windowKey,
  windowLoads,
  windowOf,
  windowPixel,
  windowRow,
  windowVector,
} from './window.ts';
import { halvingWeightGradient } from './winograd/halving-weight-gradient.ts';
import { winogradWeightGradient } from './winograd/weight-gradient.ts';

/*
 * Weight gradient:
 *
 *   dw[o,c,ky,kx] = Σ_{n,q,j} dy[n,o,q,j] · x̄[n,c, s·q+ky, s·j+kx]
 *
 * x̄ is the image extended by `padding` on each side. Few outputs, and a sum over all pixels of all images.
 *
 * Tiling for CPU drivers: a lane owns one (channel, ky), or several channels if kernel rows are
 * short, and all kx of it, for R output channels: R vec4 accumulators. A step takes 4 pixels j of a
 * row: the window of x̄ that they meet (`window.ts`), and a vec4 of dy for each of the R channels. As all lanes of a
 * subgroup need the same dy, each loads another channel's and passes it on by broadcast.
 *
 * With few outputs the rows of all images are dealt out to several workgroups, whose partial sums a
 * second kernel adds in a fixed order.
 */

interface Tiles {
  readonly rowsPerLane: number;
  readonly channelBlock: number;
  /** (channel block, ky) pairs. */
  readonly combinations: number;
  /** kernel columns of the lane's channels. */
  readonly taps: number;
}

function weightGradientTiles(g: ConvGeometry): Tiles {
  let channelBlock = 1;
  while (g.kernelWidth * channelBlock * 2 <= 4 && g.inChannels % (channelBlock * 2) === 0) {
    channelBlock *= 2;
  }
  const taps = g.kernelWidth * channelBlock;
  let rowsPerLane = ACCUMULATORS;
  while (rowsPerLane > 1 && rowsPerLane * Math.ceil(taps / 4) > ACCUMULATORS) rowsPerLane /= 2;
  while (rowsPerLane > 1 && rowsPerLane / 2 >= g.outChannels) rowsPerLane /= 2;
  rowsPerLane = rowsOfBlock(g.outChannels, rowsPerLane);
  return {
    rowsPerLane,
    channelBlock,
    combinations: (g.inChannels / channelBlock) * g.kernelHeight,
    taps,
  };
}

const VECTORS = ['', 'f32', 'vec2f', 'vec3f', 'vec4f'];

interface Pass {
  readonly geometry: ConvGeometry;
  readonly splits: number;
  readonly accumulate: boolean;
  /** Whether dw is stored as [C,O], of 1×1 taps. */
  readonly isTransposed?: boolean;
}

/** Bindings: x, x, dy, dy, dw (or partial sums [splits][dw]), sizes. */
function weightGradientKernel(pass: Pass, profile: AdapterProfile): Kernel {
  const { geometry: g, splits, isTransposed = false } = pass;
  const tiles = weightGradientTiles(g);
  const { rowsPerLane, channelBlock, combinations } = tiles;
  const lanes = profile.subgroupSize;
  const workgroup = lanes || 32;
  const rowBlocks = Math.ceil(g.outChannels / rowsPerLane);
  const laneGroups = Math.ceil(combinations / workgroup);
  const [height, width] = [outHeight(g), outWidth(g)];
  const total = g.batch * height;
  const quads = Math.ceil(width / 4);
  const { inChannels, outChannels, kernelHeight, kernelWidth, stride, padding } = g;
  const length = outChannels * inChannels * kernelHeight * kernelWidth;
  const accumulate = splits === 1 && pass.accumulate;
  const windows = {
    image: windowOf({
      stride,
      first: -padding,
      end: 3 * stride + kernelWidth - padding,
      width: g.width,
      quads,
      mode: g.paddingMode,
      rowsInside: padding === 0,
    }),
    dy: windowOf({ stride: 1, first: 0, end: 4, width, quads, mode: 'zeros', rowsInside: true }),
  };
  const key = `${windowKey(windows.image)}x${kernelWidth}.${windowKey(windows.dy)}`;
  return {
    key: `weightgradient.${key}.${rowsPerLane}.${channelBlock}${accumulate ? '+' : ''}.${lanes}${isTransposed ? '.t' : ''}`,
    bindings: ['read', 'read', 'read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(laneGroups * rowBlocks * splits),
    requires: lanes ? ['subgroups'] : [],
    constants: [
      ...[combinations, laneGroups, rowBlocks, splits, Math.ceil(total / splits), total],
      ...[height, width, quads, kernelHeight, outChannels],
      ...[g.height, g.width, padding, inChannels, roundUp(length, 4), tiles.taps],
    ],
    code: () => wgsl`
#if ${lanes > 0}
enable subgroups;
#endif
struct Sizes {
  combinations: u32, laneGroups: u32, rowBlocks: u32, splits: u32, chunk: u32, total: u32,
  outHeight: u32, outWidth: u32, quads: u32, kernelHeight: u32, outChannels: u32,
  height: i32, width: i32, padding: i32, inChannels: u32, splitPitch: u32, taps: u32,
}
@group(0) @binding(0) var<storage, read> imageVectors: array<vec4f>;
@group(0) @binding(1) var<storage, read> imagePixels: array<f32>;
@group(0) @binding(2) var<storage, read> dyVectors: array<vec4f>;
@group(0) @binding(3) var<storage, read> dyPixels: array<f32>;
@group(0) @binding(4) var<storage, read_write> result: array<f32>;
@group(0) @binding(5) var<storage, read> sizes: Sizes;
${windowFunctions(windows.image.mode)}

@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * groups.x + group.x;
  if (index >= sizes.laneGroups * sizes.rowBlocks * sizes.splits) { return; }
  let first = (index / sizes.laneGroups) % sizes.rowBlocks * ${rowsPerLane}u;
  let split = index / (sizes.laneGroups * sizes.rowBlocks);
  let mine = (index % sizes.laneGroups) * ${workgroup}u + lane;
  // Lanes beyond the end help with dy and store nothing.
  let place = min(mine, sizes.combinations - 1u);
  let channel = place / sizes.kernelHeight * ${channelBlock}u;
  let ky = place % sizes.kernelHeight;
  let planePitch = u32(sizes.height) * u32(sizes.width);
  let dyPitch = sizes.outHeight * sizes.outWidth;
${cotangentRows(tiles, lanes)}
${sums(tiles)}
  let end = min((split + 1u) * sizes.chunk, sizes.total);
  for (var row = split * sizes.chunk; row < end; row++) {
    let item = row / sizes.outHeight;
    let q = row % sizes.outHeight;
    ${windowRow(windows.image, 'image', `i32(q * ${stride}u + ky) - sizes.padding`, 'sizes.height').join('\n    ')}
    let origin = (item * sizes.inChannels + channel) * planePitch + imageRow * u32(sizes.width);
    let dyFrom = item * sizes.outChannels * dyPitch + q * sizes.outWidth;
    let dyInside = true;
    for (var j = 0u; j < sizes.quads; j++) {
${step(g, windows, tiles, lanes)}
    }
  }
  if (mine >= sizes.combinations) { return; }
  var out = array<vec4f, ${rowsPerLane * partsOf(tiles).length}>(${padded(tiles)});
  // Loops whose bounds the driver cannot see: unrolled, the stores would be most of the code.
  let rows = min(${rowsPerLane}u, sizes.outChannels - first);
  for (var r = 0u; r < rows; r++) {
    let start = split * sizes.splitPitch + (first + r) * sizes.inChannels * sizes.kernelHeight * ${kernelWidth}u;
    for (var k = 0u; k < sizes.taps; k++) {
      let c = channel + k / ${kernelWidth}u;
#if ${isTransposed}
      let to = split * sizes.splitPitch + c * sizes.outChannels + first + r;
#else
      let to = start + (c * sizes.kernelHeight + ky) * ${kernelWidth}u + k % ${kernelWidth}u;
#endif
      let value = out[r * ${partsOf(tiles).length}u + k / 4u][k % 4u];
#if ${accumulate}
      result[to] = result[to] + value;
#else
      result[to] = value;
#endif
    }
  }
}
`,
  };
}

interface Part {
  readonly type: string;
  readonly first: number;
  readonly size: number;
}

/** The taps of a lane, four to a vector. */
function partsOf({ taps }: Tiles): Part[] {
  const parts: Part[] = [];
  for (let first = 0; first < taps; first += 4) {
    const size = Math.min(4, taps - first);
    parts.push({ type: VECTORS[size], first, size });
  }
  return parts;
}

/** WGSL of where the lane finds the rows of dy that it loads. */
function cotangentRows({ rowsPerLane }: Tiles, lanes: number): string {
  const lines: string[] = [];
  for (let i = 0; i < (lanes ? Math.ceil(rowsPerLane / lanes) : rowsPerLane); i++) {
    const row = lanes ? `${i * lanes}u + lane % ${rowsPerLane}u` : `${i}u`;
    lines.push(`  let from${i} = min(first + ${row}, sizes.outChannels - 1u) * dyPitch;`);
  }
  return lines.join('\n');
}

/** WGSL of the accumulators: row r, part v of the taps. */
function sums(tiles: Tiles): string {
  const lines: string[] = [];
  for (let r = 0; r < tiles.rowsPerLane; r++) {
    partsOf(tiles).forEach(({ type }, v) => {
      lines.push(`  var sum${r}_${v} = ${type}(0.0);`);
    });
  }
  return lines.join('\n');
}

/** WGSL of the accumulators as vec4s. */
function padded(tiles: Tiles): string {
  const vectors: string[] = [];
  for (let r = 0; r < tiles.rowsPerLane; r++) {
    partsOf(tiles).forEach(({ size }, v) => {
      vectors.push(size === 4 ? `sum${r}_${v}` : `vec4f(sum${r}_${v}${', 0.0'.repeat(4 - size)})`);
    });
  }
  return vectors.join(', ');
}

/** WGSL of one step: four pixels of a row. */
function step(
  g: ConvGeometry,
  windows: { readonly image: Window; readonly dy: Window },
  tiles: Tiles,
  lanes: number,
): string {
  const { stride, kernelWidth, padding } = g;
  const { rowsPerLane, channelBlock } = tiles;
  const parts = partsOf(tiles);
  const lines = [
    ...windowColumns(windows.image, 'image', 'j', 'sizes.width'),
    ...windowColumns(windows.dy, 'dy', 'j', 'i32(sizes.outWidth)'),
  ];
  const dyVector = (name: string): string => windowVector(windows.dy, name, [0, 1, 2, 3]);
  for (let i = 0; i < (lanes ? Math.ceil(rowsPerLane / lanes) : 0); i++) {
    lines.push(...windowLoads(windows.dy, 'dy', `dy${i}`, `dyFrom + from${i}`));
    lines.push(`let held${i} = ${dyVector(`dy${i}`)};`);
  }
  for (let c = 0; c < channelBlock; c++) {
    lines.push(...windowLoads(windows.image, 'image', `c${c}`, `origin + ${c}u * planePitch`));
  }
  // x{i}_{v}: what pixel i of the four meets at the taps of part v.
  for (let i = 0; i < 4; i++) {
    parts.forEach(({ type, first, size }, v) => {
      const elements = Array.from({ length: size }, (_, k) => {
        const c = Math.floor((first + k) / kernelWidth);
        const e = stride * i + ((first + k) % kernelWidth) - padding;
        return windowPixel(windows.image, `c${c}`, e);
      });
      lines.push(`let x${i}_${v} = ${type}(${elements.join(', ')});`);
    });
  }
  for (let r = 0; r < rowsPerLane; r++) {
    if (lanes) {
      const held = `held${Math.floor(r / lanes)}`;
      lines.push(`let d${r} = subgroupBroadcast(${held}, ${r % lanes}u);`);
    } else {
      lines.push(...windowLoads(windows.dy, 'dy', `dy${r}`, `dyFrom + from${r}`));
      lines.push(`let d${r} = ${dyVector(`dy${r}`)};`);
    }
    parts.forEach((_, v) => {
      const terms = [0, 1, 2, 3].map((i) => `d${r}.${'xyzw'[i]} * x${i}_${v}`);
      lines.push(`sum${r}_${v} = sum${r}_${v} + ${terms.join(' + ')};`);
    });
  }
  return lines.map((line) => `      ${line}`).join('\n');
}

/** result[i] (+)= Σ_split partial[split][i]. Bindings: partial, result, sizes. */
export function sumSplits(length: number, splits: number, accumulate: boolean): Kernel {
  return {
    key: `sumsplits${accumulate ? '+' : ''}`,
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(Math.ceil(length / 4)),
    constants: [splits],
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> partial: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(2) var<storage, read> splits: u32;

${linearMain('arrayLength(&result)')}
  var sum = vec4f(0.0);
  for (var split = 0u; split < splits; split++) {
    sum += partial[split * arrayLength(&result) + index];
  }
#if ${accumulate}
  sum += result[index];
#endif
  result[index] = sum;
}
`,
  };
}

/** Workgroups that keep a device busy. */
function wantedWorkgroups(profile: AdapterProfile): number {
  return profile.kind === 'cpu' ? 4 : 128;
}

/**
 * Inputs: x, dy. Output: dw [O,C,KH,KW], overwritten, or added to if `accumulate`.
 * For a transposed convolution x is its dy and dy its x.
 * @param variant one of `registerVariants`; default the first of them
 */
export function conv2dWeightGradient(
  geometry: ConvGeometry,
  accumulate: boolean,
  profile: AdapterProfile,
  variant?: RegisterVariant,
): Plan {
  const spec = forwardCorrelation(geometry, NO_EPILOGUE);
  switch (variant ?? registerVariants('weight-gradient', spec, geometry, profile)[0]) {
    case 'small-maps':
      return smallWeightGradient(geometry, accumulate, profile);
    case 'winograd':
      return geometry.stride === 2
        ? halvingWeightGradient(spec, accumulate, profile)
        : winogradWeightGradient(spec, accumulate, profile);
    case 'direct':
      return directWeightGradient(geometry, accumulate, profile);
    case 'tap-planes':
      throw new RangeError('taps are rows of forward passes and data gradients only');
  }
}

/**
 * As `conv2dWeightGradient`, sum by sum.
 * @param isTransposed whether dw is [C,O,1,1]; of 1×1 taps only
 */
export function directWeightGradient(
  geometry: ConvGeometry,
  accumulate: boolean,
  profile: AdapterProfile,
  isTransposed = false,
): Plan {
  const g = flatten(geometry);
  const { rowsPerLane, combinations } = weightGradientTiles(g);
  const tiles =
    Math.ceil(g.outChannels / rowsPerLane) * Math.ceil(combinations / (profile.subgroupSize || 32));
  const rows = g.batch * outHeight(g);
  const wanted = Math.min(rows, Math.ceil(wantedWorkgroups(profile) / tiles));
  const splits = Math.ceil(rows / Math.ceil(rows / wanted));
  const kernel = weightGradientKernel({ geometry: g, splits, accumulate, isTransposed }, profile);
  const inputs = [{ input: 0 }, { input: 0 }, { input: 1 }, { input: 1 }];
  if (splits === 1) {
    return { temporaries: [], steps: [{ kernel, operands: [...inputs, { output: 0 }] }] };
  }
  const length = g.outChannels * g.inChannels * g.kernelHeight * g.kernelWidth;
  const partial = { temporary: 0 };
  return {
    temporaries: [splits * roundUp(length, 4)],
    steps: [
      { kernel, operands: [...inputs, partial] },
      {
        kernel: sumSplits(length, splits, accumulate),
        operands: [partial, { output: 0 }],
      },
    ],
  };
}
