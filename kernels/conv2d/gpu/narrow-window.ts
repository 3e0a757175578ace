import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { spreadWorkgroups } from '../../kernel.ts';
import {
  CORRELATION_SIZES,
  type Correlation,
  type CorrelationKernel,
  correlationSizes,
  gridOf,
  resultLength,
  STORE_QUAD,
  storePixels,
  withoutBorder,
  workgroupPart,
} from './correlation-sizes.ts';
import { MIRRORS, sourceFunction } from './image-loader.ts';
import { each, eachRow, THREADS } from './narrow.ts';
import { rowGroups } from './results.ts';
import { chooseSplits } from './tile.ts';
import {
  COLUMNS,
  eachColumn,
  type ImageWindow,
  windowColumns,
  windowKey,
  windowOf,
  windowPixel,
} from './window.ts';

/*
 * Correlations whose taps in a row overlap, 3 to 7 of them at stride 1 or 2: as `narrow.ts`, but a thread's
 * four columns are neighbours, and the pixels that they see in a row of the image serve all taps of the row. So
 * a pixel that is loaded and tested serves 32 multiply-adds with 16 rows and 3×3 taps, not 16, and about 26 with
 * 4×4 taps of stride 2. Steps run over rows of taps and, within these, channels: where there is one channel, as
 * in first layers, a step is still a whole row of taps.
 */

/** Rows of a thread, and of a tile. */
const ROWS = 16;

/** Taps in a row: with less, pixels hardly overlap; with more, their weights take all scalar registers. */
const LEAST_TAPS = 3;
const MOST_TAPS = 7;

/** Fewer than four channels have the loop over rows of taps inside of that over channels. */
const FEW_CHANNELS = 3;

interface WindowLoop {
  readonly window: ImageWindow;
  /** Whether there are hardly more channels than one. */
  readonly few: boolean;
  /** Whether the columns are stored as a vec4. */
  readonly quads: boolean;
}

/** Whether a correlation has the taps that this kernel is made for. */
export function hasWindows({ tapsX, stride, parities }: Correlation): boolean {
  return tapsX >= LEAST_TAPS && tapsX <= MOST_TAPS && stride <= 2 && parities.length === 1;
}

/** A thread owns 16 rows for four neighbouring columns. */
export function windowCorrelation(given: Correlation, cut?: number): CorrelationKernel {
  const spec = withoutBorder(given);
  const { tapsX: taps } = spec;
  const grid = gridOf(spec);
  const rowTiles = Math.ceil(spec.rows / ROWS);
  const groups = spec.batch * grid.height * Math.ceil(grid.width / COLUMNS);
  const columnTiles = Math.ceil(groups / THREADS);
  const steps = spec.channels;
  const splits = chooseSplits(
    {
      invocations: rowTiles * columnTiles * THREADS,
      steps,
      terms: steps * spec.tapsY * taps,
      length: resultLength(spec),
    },
    cut,
  );
  const layout = {
    rowTiles,
    columnTiles,
    steps,
    splits,
    rowQuads: (rowTiles * ROWS) / 4,
    results: rowGroups(ROWS),
  };
  const [{ originX }] = spec.parities;
  const loop: WindowLoop = {
    window: windowOf(
      { taps, stride: spec.stride, mode: spec.mode },
      { origin: originX, pixels: grid.width, width: spec.width },
    ),
    few: spec.channels <= FEW_CHANNELS,
    quads: spec.outWidth % COLUMNS === 0,
  };
  const shape = `${ROWS}x${COLUMNS * THREADS}x${taps}`;
  const kind = `${loop.few ? 'f' : ''}${loop.quads ? 'v' : 's'}`;
  const kernel = {
    key: `gpu.narrow.${shape}.window-${windowKey(loop.window)}-${kind}`,
    bindings: ['read', 'read', 'read', 'write', 'read'] as const,
    workgroups: spreadWorkgroups(rowTiles * columnTiles * splits),
    constants: correlationSizes(spec, layout),
    code: () => windowCode(loop),
  };
  return { kernel, splits, depth: 1, groupRows: ROWS, tapsFirst: true };
}

function windowCode({ window, few, quads }: WindowLoop): string {
  const { taps, stride, mode } = window;
  return wgsl`
@group(0) @binding(0) var<storage, read> image: array<f32>;
// For each row of taps and channel, the weights of its taps.
@group(0) @binding(1) var<storage, read> weights: array<array<vec4f, ${(taps * ROWS) / 4}>>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<${quads ? 'vec4f' : 'f32'}>;
${CORRELATION_SIZES}
${sourceFunction(mode)}

@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
${workgroupPart(ROWS, THREADS)}
  let rowTile = index % sizes.rowTiles;
  let groupsOfRow = (sizes.gridWidth + ${COLUMNS - 1}u) / ${COLUMNS}u;
  let groupCount = sizes.columns / sizes.gridWidth * groupsOfRow;
  let mine = firstColumn + lane;
  let known = min(mine, groupCount - 1u);
  let row = known / groupsOfRow;
  let firstX = known % groupsOfRow * ${COLUMNS}u;
  let n = row / sizes.gridHeight;
  let gridY = row % sizes.gridHeight;
  let height = sizes.height;
  let width = sizes.width;
  let planePitch = sizes.planePitch;
${MIRRORS}
  let left = i32(${stride}u * firstX) + i32(axisX.x);
  let top = i32(${stride}u * gridY) + i32(axisY.x);
  let image0 = n * sizes.imagePitch;
${windowColumns(window)}
${each(ROWS, (r) => `  var sum${r} = vec4f();`)}
${few ? tapsWithinChannels(window) : channelsWithinTaps(window)}
${results(quads)}
}
`;
}

/* The constant bounds of the loops, never reached, spare guards; see `openSteps`. */

/** What happens for a row of taps is done once for all channels. */
function channelsWithinTaps(window: ImageWindow): string {
  return `
  for (var t = axisY.y; t < 0x7fffffffu; t++) {
    if (t >= sizes.tapsY) { break; }
    let y = source(top + i32(t), mirrorY);
${window.mode === 'zeros' ? '    if (u32(y) >= u32(height)) { continue; }' : ''}
    let first = (rowTile * sizes.tapsY + t) * sizes.steps + firstStep;
    let end = first + steps;
    var at = image0 + firstStep * planePitch + u32(y * width);
    for (var step = first; step < 0x7fffffffu; step++) {
      if (step >= end) { break; }
${rowOfTaps(window)}
      at += planePitch;
    }
  }`;
}

/** Where there is hardly more than one channel, no other loop would be paid for within that over taps. */
function tapsWithinChannels(window: ImageWindow): string {
  return `
  let height32 = u32(height);
  let channels = sizes.steps;
  let tapsY = sizes.tapsY;
  for (var channel = firstStep; channel < 0x7fffffffu; channel++) {
    if (channel >= firstStep + steps) { break; }
    let plane = image0 + channel * planePitch;
    var step = rowTile * tapsY * channels + channel;
    for (var t = 0u; t < 0x7fffffffu; t++) {
      if (t >= tapsY) { break; }
      let y = source(top + i32(t), mirrorY);
      let at = plane + u32(y * width);
${window.mode === 'zeros' ? '      if (u32(y) < height32) {' : ''}
${rowOfTaps(window)}
${window.mode === 'zeros' ? '      }' : ''}
      step += channels;
    }
  }`;
}

/** Loads the window of a row of the image, from `at` on, and multiplies it with all taps. */
function rowOfTaps(window: ImageWindow): string {
  const loads = eachColumn(window, (w) => `      let p${w} = ${windowPixel(window, w)};`);
  return `${loads}\n${each(window.taps, (tap) => products(window, tap))}`;
}

function results(quads: boolean): string {
  const place =
    'split * sizes.resultPitch + n * sizes.rows * sizes.outPlane + gridY * sizes.outWidth + firstX';
  if (quads) {
    return `
  if (mine >= groupCount) { return; }
  let place = ${place};
${eachRow(ROWS, COLUMNS, STORE_QUAD)}`;
  }
  return `
  var places = vec4u(NOWHERE);
  for (var i = 0u; i < ${COLUMNS}u; i++) {
    if (mine < groupCount && firstX + i < sizes.outWidth) { places[i] = ${place} + i; }
  }
${eachRow(ROWS, COLUMNS, storePixels(COLUMNS))}`;
}

function products({ stride }: ImageWindow, tap: number): string {
  const pixels = Array.from({ length: COLUMNS }, (_, i) => `p${tap + stride * i}`).join(', ');
  return `      let pixels${tap} = vec4f(${pixels});
${each(ROWS, (r) => {
  const quad = (tap * ROWS + r) >> 2;
  return `      sum${r} += weights[step][${quad}].${'xyzw'[r & 3]} * pixels${tap};`;
})}`;
}
