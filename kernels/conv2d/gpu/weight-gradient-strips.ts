import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type Kernel, spreadWorkgroups } from '../../kernel.ts';
import { type ConvGeometry, outHeight, outWidth } from '../geometry.ts';
import { MIRRORS, REFLECTED, sourceFunction } from './image-loader.ts';
import { each } from './narrow.ts';
import { chooseSplits } from './tile.ts';
import {
  COLUMNS,
  eachColumn,
  type ImageWindow,
  insideMask,
  windowColumns,
  windowKey,
  windowOf,
  windowPixel,
} from './window.ts';

/*
 * Weight gradients of images with few channels, up to 4×4 taps. A channel has 16 columns at most, too few for a
 * tile in workgroup memory to be worth its way there, so nothing is shared in the loop: a thread goes down a strip of
 * four neighbouring pixels of dy, 8 output channels deep, and keeps all products with the taps of one channel,
 *
 *   dw[o, c, ky, kx] = Σ_{n,q,j} dy[n,o,q,j] · x̄[n, c, s·q+ky, s·j+kx],
 *
 * in registers. What the strip sees of the image is a window that moves down: only its s new rows are loaded at each
 * step. Rows stay in their variables, which take turns: after `period` steps all are back in their places. At
 * the end the lanes' sums are added in workgroup memory, in fixed order; what is left are partial results, as of
 * other sums that are cut into parts.
 */

/** Output channels of a thread. */
const ROWS = 8;

const THREADS = 64;

/** Steps that a thread should make, so that adding up the lanes does not count; a multiple of all periods. */
const LEAST_STEPS = 12;

const MOST_TAPS = 4;
const MOST_STRIDE = 2;

/** Adding up: rows whose sums are in workgroup memory at a time, vec4s of them, and lanes that a thread adds. */
const ADDED_ROWS = 2;
const QUADS = ADDED_ROWS * MOST_TAPS;
const LANES = THREADS / QUADS;
const ROUNDS = ROWS / ADDED_ROWS;

/** The tensor of the rows, if the sum goes over a plane whose margins are its reflection. */
export interface Mirrored {
  readonly height: number;
  readonly width: number;
  readonly margin: number;
}

interface Strip {
  readonly window: ImageWindow;
  readonly tapsY: number;
  /**
   * How the rows' tensor is read: as vec4s, where groups and turns are all whole; pixel by pixel; or where reflection
   * finds its pixels. Beyond the plane of the last, nothing is seen of the image.
   */
  readonly rows: 'quads' | 'pixels' | 'mirrored';
}

/** Whether taps and stride are those that this kernel is made for. */
export function hasStrips({ kernelHeight, kernelWidth, stride }: ConvGeometry): boolean {
  return Math.max(kernelHeight, kernelWidth) <= MOST_TAPS && stride <= MOST_STRIDE;
}

/**
 * Partial results [part][o][c][ky][kx] of the weight gradient, `parts` in all.
 * Bindings: image, the rows' tensor, partial results, sizes.
 */
export function stripWeightGradient(
  g: ConvGeometry,
  mirrored: Mirrored | undefined,
  cut?: number,
): { readonly kernel: Kernel; readonly parts: number } {
  const [height, width] = [outHeight(g), outWidth(g)];
  const rowPlane = mirrored ?? { height, width, margin: 0 };
  const taps = g.kernelHeight * g.kernelWidth;
  const groups = Math.ceil(width / COLUMNS);
  const rowTiles = Math.ceil(g.outChannels / ROWS);
  const steps = Math.ceil(height / LEAST_STEPS);
  const lanes = g.batch * groups;
  const segments = chooseSplits(
    {
      invocations: rowTiles * g.inChannels * lanes,
      steps,
      terms: Infinity,
      length: (g.outChannels * g.inChannels * taps * lanes) / THREADS,
    },
    cut,
  );
  const strips = lanes * segments;
  const stripTiles = Math.ceil(strips / THREADS);
  const mode = g.padding === 0 ? 'zeros' : g.paddingMode;
  const period = periodOf(g.kernelHeight, g.stride);
  const isWhole = width % COLUMNS === 0 && height % period === 0;
  const rows = mirrored ? 'mirrored' : isWhole ? 'quads' : 'pixels';
  const strip: Strip = {
    window: windowOf(
      { taps: g.kernelWidth, stride: g.stride, mode },
      { origin: -g.padding, pixels: width, width: g.width },
    ),
    tapsY: g.kernelHeight,
    rows,
  };
  const shape = `${ROWS}x${g.kernelHeight}x${g.kernelWidth}`;
  const kernel: Kernel = {
    key: `gpu.weightgradient.${shape}.strip-${windowKey(strip.window)}-${rows}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: spreadWorkgroups(rowTiles * g.inChannels * stripTiles),
    constants: [
      rowTiles,
      g.inChannels,
      stripTiles,
      strips,
      groups,
      segments,
      Math.ceil(steps / segments) * LEAST_STEPS,
      height,
      width,
      g.outChannels,
      rowPlane.height * rowPlane.width,
      rowPlane.height,
      rowPlane.width,
      rowPlane.margin,
      g.height,
      g.width,
      g.height * g.width,
      g.padding,
      ROUNDS,
    ],
    code: () => stripCode(strip),
  };
  return { kernel, parts: stripTiles };
}

/** Steps after which all rows of the window are back in their places. */
function periodOf(tapsY: number, stride: number): number {
  return tapsY > stride ? tapsY / greatestDivisor(tapsY, stride) : 1;
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

function stripCode(strip: Strip): string {
  const { window, tapsY, rows } = strip;
  const { taps, stride, mode } = window;
  const kept = Math.max(0, tapsY - stride);
  return wgsl`
struct Sizes {
  rowTiles: u32, channels: u32, stripTiles: u32, strips: u32, groups: u32, segments: u32, steps: u32,
  outHeight: u32, outWidth: u32,
  rows: u32, rowPlane: u32, rowHeight: i32, rowWidth: i32, rowMargin: i32,
  height: i32, width: i32, planePitch: u32, padding: i32, rounds: u32,
}
@group(0) @binding(0) var<storage, read> image: array<f32>;
@group(0) @binding(1) var<storage, read> cotangent: array<${rows === 'quads' ? 'vec4f' : 'f32'}>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${sourceFunction(mode)}
${rows === 'mirrored' ? REFLECTED : ''}
var<workgroup> sums: array<vec4f, ${QUADS * THREADS}>;

@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * groups.x + group.x;
  let stripTile = index / (sizes.rowTiles * sizes.channels);
  if (stripTile >= sizes.stripTiles) { return; }
  let firstRow = index % sizes.rowTiles * ${ROWS}u;
  let channel = index / sizes.rowTiles % sizes.channels;
  let strip = stripTile * ${THREADS}u + lane;
  let known = min(strip, sizes.strips - 1u);
  let firstX = known % sizes.groups * ${COLUMNS}u;
  let n = known / (sizes.groups * sizes.segments);
  var y = known / sizes.groups % sizes.segments * sizes.steps;
  let endY = select(0u, min(y + sizes.steps, sizes.outHeight), strip < sizes.strips);
  let height = sizes.height;
  let width = sizes.width;
${MIRRORS}
  let plane = (n * sizes.channels + channel) * sizes.planePitch;
  let left = i32(firstX * ${stride}u) - sizes.padding;
  var top = i32(y * ${stride}u) - sizes.padding;
${windowColumns(window)}
${rowSetup(rows)}
${each(ROWS, (r) => each(tapsY, (ky) => `  var sum${r}_${ky} = ${sumType(taps)}();`))}
${each(tapsY, (slot) => eachColumn(window, (w) => `  var p${slot}_${w} = 0.0;`))}
${each(kept, (ky) => enterRow(window, ky, ky))}
  // The constant bound, never reached, spares a guard; see 'openSteps'.
  for (var turn = 0u; turn < 0x7fffffffu; turn++) {
${each(periodOf(tapsY, stride), (step) => stepCode(strip, step))}
  }
${addLanes(strip)}
}
`;
}

/** Products with a row of taps. */
function sumType(taps: number): string {
  return taps === 1 ? 'f32' : `vec${taps}f`;
}

/** Loads the image's row of tap `ky` into the variables of `slot`. */
function enterRow(window: ImageWindow, slot: number, ky: number): string {
  return `  {
    let imageY = source(top + ${ky}, mirrorY);
    let insideY = ${insideMask('imageY', 'height')};
    let at = plane + u32(imageY * width);
${eachColumn(window, (w) => `    p${slot}_${w} = ${windowPixel(window, w, 'insideY')};`)}
  }`;
}

/** Where the strip lies in the rows' tensor. */
function rowSetup(rows: Strip['rows']): string {
  const pitches = each(
    ROWS,
    (r) =>
      // Rows beyond the end are multiplied and never stored: any will do.
      `  let pitch${r} = min(firstRow + ${r}u, sizes.rows - 1u) * rowPlane;`,
  );
  const rowPlane = `sizes.rowPlane${rows === 'quads' ? ` / ${COLUMNS}u` : ''}`;
  const place = '(n * sizes.rows * sizes.rowPlane + y * sizes.outWidth + firstX)';
  const start = {
    quads: `
  var rowsAt = ${place} / ${COLUMNS}u;
  let rowsStep = sizes.outWidth / ${COLUMNS}u;`,
    pixels: `
  var rowsAt = ${place};
  let rowsStep = sizes.outWidth;
${each(COLUMNS, (i) => `  let existsX${i} = ${insideMask(`i32(firstX) + ${i}`, 'i32(sizes.outWidth)')};`)}`,
    // Pixels beyond the plane see nothing of the image: any will do.
    mirrored: `
  let rowWidth = sizes.rowWidth;
  let rowMirrorY = 2 * (sizes.rowHeight - 1);
  let rowMirrorX = 2 * (rowWidth - 1);
  let margin = sizes.rowMargin;
  let rowsStart = n * sizes.rows * sizes.rowPlane;
${each(
  COLUMNS,
  (i) =>
    `  let rowX${i} = rowsStart + u32(max(0, reflected(i32(firstX) + ${i} - margin, rowMirrorX)));`,
)}`,
  };
  return `  let rowPlane = ${rowPlane};\n${pitches}${start[rows]}`;
}

/** One step down: new rows of the window, then all products. */
function stepCode(strip: Strip, step: number): string {
  const { window, tapsY, rows } = strip;
  const { stride } = window;
  const slots = Array.from({ length: tapsY }, (_, ky) => (ky + step * stride) % tapsY);
  const kept = Math.max(0, tapsY - stride);
  const isMirrored = rows === 'mirrored';
  return `
${step === 0 ? '    if (y >= endY) { break; }' : ''}
${slots.map((slot, ky) => (ky < kept ? '' : enterRow(window, slot, ky))).join('\n')}
${isMirrored ? mirroredRow(step) : ''}${rows === 'pixels' ? existingPixels(step) : ''}
${each(ROWS, (r) => products(strip, step, r, slots))}
    ${isMirrored ? '' : 'rowsAt += rowsStep;'}
    top += ${stride};
    y++;`;
}

/** Which pixels exist, as the last turn may go on beyond the end. */
function existingPixels(step: number): string {
  return `    let existsY${step} = ${insideMask('i32(y)', 'i32(endY)')};
${each(COLUMNS, (i) => `    let exists${step}_${i} = existsX${i} & existsY${step};`)}`;
}

function mirroredRow(step: number): string {
  return `    let rowY${step} = u32(max(0, reflected(i32(y) - margin, rowMirrorY)) * rowWidth);
${each(COLUMNS, (i) => `    let row${step}At${i} = rowX${i} + rowY${step};`)}`;
}

/** Products of row `r` with the window whose rows are in `slots`. */
function products(
  { window: { taps, stride }, rows }: Strip,
  step: number,
  r: number,
  slots: readonly number[],
): string {
  const seen = (slot: number, i: number): string => {
    const columns = Array.from({ length: taps }, (_, kx) => `p${slot}_${i * stride + kx}`);
    return `${sumType(taps)}(${columns.join(', ')})`;
  };
  const pixel = {
    quads: () => '',
    pixels: (i: number) =>
      `bitcast<f32>(bitcast<i32>(cotangent[rowsAt + pitch${r} + ${i}u]) & exists${step}_${i})`,
    mirrored: (i: number) => `cotangent[row${step}At${i} + pitch${r}]`,
  }[rows];
  const loaded =
    rows === 'quads'
      ? `cotangent[rowsAt + pitch${r}]`
      : `vec4f(${[0, 1, 2, 3].map(pixel).join(', ')})`;
  const lines = slots.flatMap((slot, ky) =>
    Array.from(
      { length: COLUMNS },
      (_, i) => `      sum${r}_${ky} += d.${'xyzw'[i]} * ${seen(slot, i)};`,
    ),
  );
  return `    {
      let d = ${loaded};
${lines.join('\n')}
    }`;
}

/**
 * Adds up the lanes, two rows at a time: every thread one vec4 of 8 lanes, then eight of them what these have. A thread
 * begins with another lane than its neighbours do, so that they read different banks of workgroup memory.
 * Compilers do not see the bound of the loop over rows and leave it rolled.
 */
function addLanes({ window: { taps }, tapsY }: Strip): string {
  const rest = ', 0.0'.repeat(MOST_TAPS - taps);
  const quad = (sum: string): string => (rest ? `vec4f(${sum}${rest})` : sum);
  const eachQuad = (line: (r: number, ky: number) => string): string =>
    each(ADDED_ROWS, (r) => each(tapsY, (ky) => line(r, ky)));
  const picked = (round: number): string =>
    `${round === ROUNDS - 1 ? 'default' : `case ${round}u`}: {
${eachQuad((r, ky) => `      quad${r}_${ky} = ${quad(`sum${ADDED_ROWS * round + r}_${ky}`)};`)}
    }`;
  return `
  let quad = lane % ${QUADS}u;
  let firstLane = lane / ${QUADS}u * ${LANES}u;
  for (var round = 0u; round < sizes.rounds; round++) {
${eachQuad((r, ky) => `    var quad${r}_${ky}: vec4f;`)}
    switch (round) {
    ${each(ROUNDS, picked)}
    }
${eachQuad((r, ky) => `    sums[${(r * MOST_TAPS + ky) * THREADS}u + lane] = quad${r}_${ky};`)}
    workgroupBarrier();
    var total = vec4f();
    for (var i = 0u; i < ${LANES}u; i++) {
      total += sums[quad * ${THREADS}u + firstLane + (i + quad) % ${LANES}u];
    }
    workgroupBarrier();
    sums[lane] = total;
    workgroupBarrier();
    let o = firstRow + round * ${ADDED_ROWS}u + lane / ${MOST_TAPS}u;
    let ky = lane % ${MOST_TAPS}u;
    if (lane < ${QUADS}u && ky < ${tapsY}u && o < sizes.rows) {
      for (var i = 1u; i < ${THREADS / QUADS}u; i++) { total += sums[i * ${QUADS}u + lane]; }
      let at = (((stripTile * sizes.rows + o) * sizes.channels + channel) * ${tapsY}u + ky) * ${taps}u;
${each(taps, (kx) => `      partial[at + ${kx}u] = total[${kx}];`)}
    }
    workgroupBarrier();
  }`;
}
