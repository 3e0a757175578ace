import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { spreadWorkgroups } from '../../kernel.ts';
import type { PaddingMode } from '../geometry.ts';
import {
  CORRELATION_SIZES,
  type Correlation,
  type CorrelationKernel,
  correlationSizes,
  gridOf,
  resultLength,
  storePixels,
  withoutBorder,
  workgroupPart,
} from './correlation-sizes.ts';
import { INSIDE, MIRRORS, sourceFunction } from './image-loader.ts';
import { each, eachRow, THREADS } from './narrow.ts';
import { rowGroups } from './results.ts';
import { chooseSplits } from './tile.ts';

/*
 * Correlations of few rows with three taps in a row, stride 1: as `narrow.ts`, but a thread's four columns
 * are neighbours, and the six pixels that they see in a row serve all three taps. So a pixel that is loaded
 * and tested serves 32 multiply-adds with 16 rows, not 16.
 */

/** Rows of a thread, and of a tile: as many weights for three taps as AMD has scalar registers for. */
const ROWS = 16;

/** Columns of a thread. */
const COLUMNS = 4;

const TAPS = 3;

/** Pixels of an image's row that a thread's columns see. */
const WINDOW = COLUMNS + TAPS - 1;

/** Whether a correlation has the taps that this kernel is made for. */
export function hasWindows({ tapsX, stride, parities }: Correlation): boolean {
  return tapsX === TAPS && stride === 1 && parities.length === 1;
}

/** A thread owns 16 rows for four neighbouring columns. */
export function windowCorrelation(given: Correlation, cut?: number): CorrelationKernel {
  const spec = withoutBorder(given);
  const grid = gridOf(spec);
  const rowTiles = Math.ceil(spec.rows / ROWS);
  const groups = spec.batch * grid.height * Math.ceil(grid.width / COLUMNS);
  const columnTiles = Math.ceil(groups / THREADS);
  const splits = chooseSplits(
    {
      invocations: rowTiles * columnTiles * THREADS,
      steps: spec.channels,
      terms: spec.channels * spec.tapsY * TAPS,
      length: resultLength(spec),
    },
    cut,
  );
  const layout = {
    rowTiles,
    columnTiles,
    steps: spec.channels,
    splits,
    rowQuads: (rowTiles * ROWS) / 4,
    results: rowGroups(ROWS),
  };
  const kernel = {
    key: `gpu.narrow.${ROWS}x${COLUMNS * THREADS}x${TAPS}.window-${spec.mode}`,
    bindings: ['read', 'read', 'read', 'write', 'read'] as const,
    workgroups: spreadWorkgroups(rowTiles * columnTiles * splits),
    constants: correlationSizes(spec, layout),
    code: () => windowCode(spec.mode),
  };
  return { kernel, splits, depth: 1, groupRows: ROWS, tapsFirst: true };
}

function windowCode(mode: PaddingMode): string {
  return wgsl`
@group(0) @binding(0) var<storage, read> image: array<f32>;
// For each row of taps and channel, the weights of its three taps.
@group(0) @binding(1) var<storage, read> weights: array<array<vec4f, ${(TAPS * ROWS) / 4}>>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;
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
  let image0 = n * sizes.imagePitch;
${each(WINDOW, (w) => `  let x${w} = source(i32(firstX) + i32(axisX.x) + ${w}, mirrorX);`)}
${each(ROWS, (r) => `  var sum${r} = vec4f();`)}
  for (var t = axisY.y; t < sizes.tapsY; t++) {
    let y = source(i32(gridY) + i32(axisY.x) + i32(t), mirrorY);
${each(WINDOW, (w) => tapColumn(mode, w))}
    let first = (rowTile * sizes.tapsY + t) * sizes.steps + firstStep;
    let end = first + steps;
    // The same for all threads, so that counting on is left to scalar instructions.
    var offset = firstStep * planePitch;
    // The constant bound, never reached, spares a guard; see 'openSteps'.
    for (var step = first; step < 0x7fffffffu; step++) {
      if (step >= end) { break; }
${each(WINDOW, (w) => load(mode, w))}
${each(TAPS, products)}
      offset += planePitch;
    }
  }
  var places = vec4u(NOWHERE);
  for (var i = 0u; i < ${COLUMNS}u; i++) {
    if (mine < groupCount && firstX + i < sizes.outWidth) {
      places[i] = split * sizes.resultPitch + n * sizes.rows * sizes.outPlane +
        gridY * sizes.outWidth + firstX + i;
    }
  }
${eachRow(ROWS, COLUMNS, storePixels(COLUMNS))}
}
`;
}

/** Where column `w` of the window lies in the row of taps that is entered. */
function tapColumn(mode: PaddingMode, w: number): string {
  return mode === 'reflect'
    ? `    let at${w} = image0 + u32(y * width + x${w});`
    : `    var inside${w} = false;
    var at${w} = 0u;
    {
      let x = x${w};
      inside${w} = ${INSIDE};
      at${w} = select(image0, image0 + u32(y * width + x), inside${w});
    }`;
}

function load(mode: PaddingMode, w: number): string {
  const pixel = `image[at${w} + offset]`;
  return `      let p${w} = ${mode === 'reflect' ? pixel : `select(0.0, ${pixel}, inside${w})`};`;
}

function products(tap: number): string {
  const pixels = Array.from({ length: COLUMNS }, (_, i) => `p${tap + i}`).join(', ');
  return `      let pixels${tap} = vec4f(${pixels});
${each(ROWS, (r) => {
  const quad = (tap * ROWS + r) >> 2;
  return `      sum${r} += weights[step][${quad}].${'xyzw'[r & 3]} * pixels${tap};`;
})}`;
}
