import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import {
  type AdapterProfile,
  type Kernel,
  type Operand,
  type Plan,
  spreadWorkgroups,
} from '../kernel.ts';
import { forwardCorrelation, NO_EPILOGUE } from './forward.ts';
import { type ConvGeometry, flatten, outHeight, outWidth, roundUp } from './geometry.ts';
import { type Frame, frameImage, frameLength, isIdentity } from './padding.ts';

/*
 * Weight gradient:
 *
 *   dw[o,c,ky,kx] = Σ_{n,q,j} dy[n,o,q,j] · frame[n,c, s·q+ky, s·j+kx]
 *
 * Few outputs, and a sum over all pixels of all images.
 *
 * Tiling for CPU drivers: a lane owns one (channel, ky), or several channels if kernel rows are
 * short, and all kx of it, for R output channels: R vec4 accumulators. A step takes 4 pixels j of a
 * row: whole vec4s of the frame, and a vec4 of dy for each of the R channels. As all lanes of a
 * subgroup need the same dy, each loads another channel's and passes it on by broadcast.
 *
 * With few outputs the rows of all images are dealt out to several workgroups, whose partial sums a
 * second kernel adds in a fixed order.
 */

const ACCUMULATORS = 16;

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
  return {
    rowsPerLane,
    channelBlock,
    combinations: (g.inChannels / channelBlock) * g.kernelHeight,
    taps,
  };
}

const COMPONENTS = 'xyzw';
const VECTORS = ['', 'f32', 'vec2f', 'vec3f', 'vec4f'];

interface Pass {
  readonly geometry: ConvGeometry;
  readonly frame: Frame;
  /** Row pitch of dy: its width rounded up to a multiple of 4, with zeros behind. */
  readonly pitch: number;
  readonly splits: number;
  readonly accumulate: boolean;
}

/** Bindings: frame, dy, dw (or partial sums [splits][dw]). */
function weightGradientKernel(pass: Pass, profile: AdapterProfile): Kernel {
  const { geometry: g, frame, pitch, splits, accumulate } = pass;
  const { rowsPerLane, channelBlock, combinations, taps } = weightGradientTiles(g);
  const lanes = profile.subgroupSize;
  const workgroup = lanes || 32;
  const rowBlocks = Math.ceil(g.outChannels / rowsPerLane);
  const laneGroups = Math.ceil(combinations / workgroup);
  const count = laneGroups * rowBlocks * splits;
  const height = outHeight(g);
  const total = g.batch * height;
  const chunk = Math.ceil(total / splits);
  const { inChannels, outChannels, kernelHeight, kernelWidth, stride } = g;
  const length = outChannels * inChannels * kernelHeight * kernelWidth;
  const direct = splits === 1;

  const code = (): string => {
    const rowPitch = frame.frameWidth / 4;
    const planePitch = frame.frameHeight * rowPitch;
    const frameVectors = Math.floor((3 * stride + kernelWidth - 1) / 4) + 1;
    const loads = lanes ? Math.ceil(rowsPerLane / lanes) : 0;
    const parts: { type: string; first: number; size: number }[] = [];
    for (let first = 0; first < taps; first += 4) {
      const size = Math.min(4, taps - first);
      parts.push({ type: VECTORS[size], first, size });
    }
    const dyPlane = (height * pitch) / 4;

    const setup: string[] = [];
    for (let i = 0; i < loads; i++) {
      setup.push(
        `  let from${i} = min(first + ${i * lanes}u + lane % ${rowsPerLane}u, ${outChannels - 1}u) * ${dyPlane}u;`,
      );
    }
    if (!lanes) {
      for (let r = 0; r < rowsPerLane; r++) {
        setup.push(`  let from${r} = min(first + ${r}u, ${outChannels - 1}u) * ${dyPlane}u;`);
      }
    }
    for (let r = 0; r < rowsPerLane; r++) {
      parts.forEach(({ type }, v) => {
        setup.push(`  var sum${r}_${v} = ${type}(0.0);`);
      });
    }
    const lines: string[] = [];
    for (let i = 0; i < loads; i++) lines.push(`      let held${i} = dy[dyAt + from${i}];`);
    for (let c = 0; c < channelBlock; c++) {
      for (let i = 0; i < frameVectors; i++) {
        lines.push(`      let c${c}v${i} = frame[at + ${c * planePitch + i}u];`);
      }
    }
    // x{i}_{v}: what pixel i of the four meets at the taps of part v.
    for (let i = 0; i < 4; i++) {
      parts.forEach(({ type, first, size }, v) => {
        const elements = Array.from({ length: size }, (_, k) => {
          const c = Math.floor((first + k) / kernelWidth);
          const e = stride * i + ((first + k) % kernelWidth);
          return `c${c}v${e >> 2}.${COMPONENTS[e & 3]}`;
        });
        lines.push(`      let x${i}_${v} = ${type}(${elements.join(', ')});`);
      });
    }
    for (let r = 0; r < rowsPerLane; r++) {
      const value = lanes
        ? `subgroupBroadcast(held${Math.floor(r / lanes)}, ${r % lanes}u)`
        : `dy[dyAt + from${r}]`;
      lines.push(`      let d${r} = ${value};`);
      parts.forEach((_, v) => {
        const terms = [0, 1, 2, 3].map((i) => `d${r}.${COMPONENTS[i]} * x${i}_${v}`);
        lines.push(`      sum${r}_${v} = sum${r}_${v} + ${terms.join(' + ')};`);
      });
    }
    const stores: string[] = [];
    for (let r = 0; r < rowsPerLane; r++) {
      const body: string[] = [];
      parts.forEach(({ first, size }, v) => {
        for (let k = 0; k < size; k++) {
          const c = Math.floor((first + k) / kernelWidth);
          const at = c * kernelHeight * kernelWidth + ((first + k) % kernelWidth);
          const value = `sum${r}_${v}${size > 1 ? `.${COMPONENTS[k]}` : ''}`;
          const to = `result[to + ${at}u]`;
          body.push(`    ${to} = ${direct && accumulate ? `${to} + ` : ''}${value};`);
        }
      });
      const guarded = outChannels % rowsPerLane !== 0 && r > 0;
      stores.push(`  ${guarded ? `if (first + ${r}u < ${outChannels}u) ` : ''}{
${body.join('\n')}
  }
  to += ${inChannels * kernelHeight * kernelWidth}u;`);
    }
    return wgsl`
#if ${lanes > 0}
enable subgroups;
#endif
@group(0) @binding(0) var<storage, read> frame: array<vec4f>;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * groups.x + group.x;
  if (index >= ${count}u) { return; }
  let first = (index / ${laneGroups}u) % ${rowBlocks}u * ${rowsPerLane}u;
  let split = index / ${laneGroups * rowBlocks}u;
  let mine = (index % ${laneGroups}u) * ${workgroup}u + lane;
  // Lanes beyond the end help with dy and store nothing.
  let place = min(mine, ${combinations - 1}u);
  let channel = place / ${kernelHeight}u * ${channelBlock}u;
  let ky = place % ${kernelHeight}u;
  let plane = channel * ${planePitch}u + ky * ${rowPitch}u;
${setup.join('\n')}
  let end = min((split + 1u) * ${chunk}u, ${total}u);
  for (var row = split * ${chunk}u; row < end; row++) {
    let image = row / ${height}u;
    let q = row % ${height}u;
    var at = plane + image * ${inChannels * planePitch}u + q * ${stride * rowPitch}u;
    var dyAt = image * ${outChannels * dyPlane}u + q * ${pitch / 4}u;
    for (var j = 0u; j < ${pitch / 4}u; j++) {
${lines.join('\n')}
      at += ${stride}u;
      dyAt += 1u;
    }
  }
  if (mine >= ${combinations}u) { return; }
  var to = split * ${roundUp(length, 4)}u + ((first * ${inChannels}u + channel) * ${kernelHeight}u + ky) * ${kernelWidth}u;
${stores.join('\n')}
}
`;
  };
  return {
    key: `weightgradient.${g.batch}x${inChannels}x${frame.frameHeight}x${frame.frameWidth}s${stride}-${outChannels}x${kernelHeight}x${kernelWidth}-${height}x${pitch}/${splits}${direct && accumulate ? '+' : ''}.${lanes}`,
    bindings: ['read', 'read', 'write'],
    workgroups: spreadWorkgroups(count),
    requires: lanes ? ['subgroups'] : [],
    code,
  };
}

const WORKGROUP = 64;

/** result[i] (+)= Σ_split partial[split][i]. Bindings: partial, result. */
export function sumSplits(length: number, splits: number, accumulate: boolean): Kernel {
  const vectors = Math.ceil(length / 4);
  return {
    key: `sumsplits.${vectors}/${splits}${accumulate ? '+' : ''}`,
    bindings: ['read', 'write'],
    workgroups: spreadWorkgroups(Math.ceil(vectors / WORKGROUP)),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> partial: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> result: array<vec4f>;

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * groups.x + group.x) * ${WORKGROUP}u + lane;
  if (index >= ${vectors}u) { return; }
  var sum = vec4f(0.0);
  for (var split = 0u; split < ${splits}u; split++) {
    sum += partial[split * ${vectors}u + index];
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
  return profile.kind === 'cpu' ? 8 : 128;
}

/**
 * Inputs: x, dy. Output: dw [O,C,KH,KW], overwritten, or added to if `accumulate`.
 * For a transposed convolution x is its dy and dy its x.
 */
export function conv2dWeightGradient(
  geometry: ConvGeometry,
  accumulate: boolean,
  profile: AdapterProfile,
): Plan {
  const { frame } = forwardCorrelation(geometry, NO_EPILOGUE);
  const g = flatten(geometry);
  const height = outHeight(g);
  const width = outWidth(g);
  const pitch = roundUp(width, 4);
  const { rowsPerLane, combinations } = weightGradientTiles(g);
  const tiles =
    Math.ceil(g.outChannels / rowsPerLane) * Math.ceil(combinations / (profile.subgroupSize || 32));
  const rows = g.batch * height;
  const wanted = Math.min(rows, Math.ceil(wantedWorkgroups(profile) / tiles));
  const splits = Math.ceil(rows / Math.ceil(rows / wanted));

  const temporaries: number[] = [];
  const steps: Plan['steps'][number][] = [];
  const place = (input: Operand, wanted: Frame): Operand => {
    if (isIdentity(wanted)) return input;
    const operand = { temporary: temporaries.push(frameLength(wanted)) - 1 };
    steps.push({ kernel: frameImage(wanted), operands: [input, operand] });
    return operand;
  };
  const framed = place({ input: 0 }, frame);
  const dy = place(
    { input: 1 },
    {
      planes: g.batch * g.outChannels,
      height,
      width,
      top: 0,
      left: 0,
      frameHeight: height,
      frameWidth: pitch,
      mode: 'zeros',
    },
  );
  const kernel = weightGradientKernel({ geometry: g, frame, pitch, splits, accumulate }, profile);
  if (splits === 1) {
    steps.push({ kernel, operands: [framed, dy, { output: 0 }] });
  } else {
    const length = g.outChannels * g.inChannels * g.kernelHeight * g.kernelWidth;
    const partial = { temporary: temporaries.push(splits * roundUp(length, 4)) - 1 };
    steps.push({ kernel, operands: [framed, dy, partial] });
    steps.push({
      kernel: sumSplits(length, splits, accumulate),
      operands: [partial, { output: 0 }],
    });
  }
  return { temporaries, steps };
}
