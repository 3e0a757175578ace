import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { spreadWorkgroups } from '../../kernel.ts';
import type { PaddingMode } from '../geometry.ts';
import {
  CORRELATION_SIZES,
  type Correlation,
  type CorrelationKernel,
  correlationSizes,
  EPILOGUE,
  gridOf,
  pixelPlaces,
  resultLength,
  STORE_QUAD,
  storePixels,
  storesQuads,
  withoutBorder,
  workgroupPart,
} from './correlation-sizes.ts';
import { enterTap, MIRRORS, sourceFunction } from './image-loader.ts';
import { eachOfGroups, grouped, rowGroups } from './results.ts';
import { chooseSplits } from './tile.ts';

/*
 * Correlations of few rows. A pixel that is copied to workgroup memory would be read back by few threads, so
 * nothing is shared: a thread owns all rows of the tile, 16 or 32, for 4 or 2 columns of its own, and loads
 * just its pixels. The weights of a k are the same for all threads; where the address of a load is uniform
 * and the weights are one element of the array, compilers load them with few scalar instructions.
 * Where neither taps nor borders move pixels about (1×1), the four columns are one vec4 of the image.
 */

/** Threads of a workgroup. */
export const THREADS = 64;

interface Narrow {
  /** Rows of a thread, and of a tile. */
  readonly rows: 16 | 32;
  /** Columns of a thread. */
  readonly columns: 4 | 2;
  /** Values of k in a step. */
  readonly depth: 1 | 2;
  readonly mode: PaddingMode;
  /** Whether columns are loaded and stored as vec4s. */
  readonly quads: boolean;
}

/** Whether results of `rows` rows go to narrow tiles unless measured otherwise. */
export function prefersNarrow(rows: number): boolean {
  return rows <= 48;
}

/** Whether columns are pixels of the image in its own order, four to a vec4. */
function loadsQuads(spec: Correlation): boolean {
  const { tapsY, tapsX, stride, parities, height, width } = spec;
  const [{ originY, originX }] = parities;
  const isPointwise = tapsY * tapsX === 1 && stride === 1 && parities.length === 1;
  const isAligned = originY === 0 && originX === 0;
  const isWhole = height === spec.outHeight && width === spec.outWidth;
  return isPointwise && isAligned && isWhole && storesQuads(spec);
}

function narrowOf(spec: Correlation): Narrow {
  const quads = loadsQuads(spec);
  // 48 rows are three times 16; two columns make no vec4.
  const isLow = quads || spec.rows <= 16 || (spec.rows > 32 && spec.rows <= 48);
  return {
    rows: isLow ? 16 : 32,
    columns: isLow ? 4 : 2,
    // With 32 rows, more would take more scalar registers for weights than AMD has.
    depth: isLow && spec.channels % 2 === 0 ? 2 : 1,
    mode: withoutBorder(spec).mode,
    quads,
  };
}

/** A thread owns all rows of a tile, for columns of its own. */
export function narrowCorrelation(spec: Correlation, cut?: number): CorrelationKernel {
  const narrow = narrowOf(spec);
  const { rows, depth } = narrow;
  const grid = gridOf(spec);
  const parities = spec.parities.length ** 2;
  const rowTiles = Math.ceil(spec.rows / rows);
  const columnTiles = Math.ceil(grid.columns / (narrow.columns * THREADS));
  const steps = spec.channels / depth;
  const splits = chooseSplits(
    {
      invocations: rowTiles * columnTiles * parities * THREADS,
      steps,
      terms: spec.channels * spec.tapsY * spec.tapsX,
      length: resultLength(spec),
    },
    cut,
  );
  const layout = {
    rowTiles,
    columnTiles,
    steps,
    splits,
    rowQuads: (rowTiles * rows) / 4,
    results: rowGroups(rows),
  };
  const kind = narrow.quads ? 'v' : narrow.mode;
  const kernel = {
    key: `gpu.narrow.${rows}x${narrow.columns * THREADS}x${depth}.${kind}`,
    bindings: ['read', 'read', 'read', 'write', 'read'] as const,
    workgroups: spreadWorkgroups(rowTiles * parities * columnTiles * splits),
    constants: correlationSizes(spec, layout),
    code: () => narrowCode(narrow),
  };
  return { kernel, splits, depth, groupRows: rows };
}

/** Lines for 0, 1, … */
export function each(count: number, line: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => line(i)).join('\n');
}

function narrowCode(narrow: Narrow): string {
  const { rows, columns, depth, mode, quads } = narrow;
  const sum = `vec${columns}f`;
  const pixel = quads ? 'vec4f' : 'f32';
  return wgsl`
@group(0) @binding(0) var<storage, read> image: array<${pixel}>;
@group(0) @binding(1) var<storage, read> weights: array<array<vec4f, ${(depth * rows) / 4}>>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<${pixel}>;
${CORRELATION_SIZES}
${sourceFunction(mode)}

@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
${workgroupPart(rows, columns * THREADS)}
  let rowTile = index % sizes.rowTiles;
${quads ? quadSetup() : columnSetup(narrow)}
${each(rows, (r) => `  var sum${r} = ${sum}();`)}
  for (var t = axisY.y; t < sizes.tapsY; t++) {
  for (var u = axisX.y; u < sizes.tapsX; u++) {
    let tap = ((rowTile * parities * parities + parity) * sizes.tapsY + t) * sizes.tapsX + u;
    let first = tap * sizes.steps + firstStep;
    let end = first + steps;
    // The same for all threads, so that counting on is left to scalar instructions.
    var offset = firstStep * ${depth}u * planePitch;
${quads ? '' : each(columns, (i) => enterTap(mode, i))}
  // The constant bound, never reached, spares a guard; see 'openSteps'.
  for (var step = first; step < 0x7fffffffu; step++) {
    if (step >= end) { break; }
${each(depth, (d) => load(narrow, d))}
${each(depth, (d) => products(narrow, d))}
    offset += ${depth}u * planePitch;
  }}}
${results(narrow)}
}
`;
}

function quadSetup(): string {
  return `
  let planePitch = sizes.planePitch / 4u;
  let column = firstColumn + 4u * lane;
  let known = min(column, sizes.columns - 1u);
  let at0 = (known / sizes.outPlane * sizes.imagePitch + known % sizes.outPlane) / 4u;`;
}

/** Columns of a thread are \`THREADS\` apart, so that neighbouring threads load neighbouring pixels. */
function columnSetup({ columns, mode }: Narrow): string {
  return `
  let height = sizes.height;
  let width = sizes.width;
  let planePitch = sizes.planePitch;
${MIRRORS}
${each(
  columns,
  (i) => `
  let pixel${i} = min(firstColumn + ${i * THREADS}u + lane, sizes.columns - 1u);
  let row${i} = pixel${i} / sizes.gridWidth;
  let left${i} = i32(pixel${i} % sizes.gridWidth * sizes.stride) + i32(axisX.x);
  let top${i} = i32(row${i} % sizes.gridHeight * sizes.stride) + i32(axisY.x);
  let image${i} = row${i} / sizes.gridHeight * sizes.imagePitch;
  var at${i} = 0u;
  ${mode === 'zeros' ? `var inside${i} = false;` : ''}`,
)}`;
}

/** Pixels of value `d` of the step. */
function load({ columns, mode, quads }: Narrow, d: number): string {
  const place = d === 0 ? 'offset' : `offset + ${d}u * planePitch`;
  if (quads) return `    let pixels${d} = image[at0 + ${place}];`;
  const values = Array.from({ length: columns }, (_, i) => {
    const value = `image[at${i} + offset${d}]`;
    return mode === 'reflect' ? value : `select(0.0, ${value}, inside${i})`;
  });
  return `    let offset${d} = ${place};
    let pixels${d} = vec${columns}f(${values.join(', ')});`;
}

function products({ rows }: Narrow, d: number): string {
  return each(rows, (r) => {
    const quad = (d * rows + r) >> 2;
    return `    sum${r} += weights[step][${quad}].${'xyzw'[r & 3]} * pixels${d};`;
  });
}

function results({ rows, columns, quads }: Narrow): string {
  if (quads) {
    return `
  if (column >= sizes.columns) { return; }
  let place = split * sizes.resultPitch + column % sizes.outPlane +
    column / sizes.outPlane * sizes.rows * sizes.outPlane;
${eachRow(rows, columns, STORE_QUAD)}`;
  }
  return `${pixelPlaces(columns, `firstColumn + i * ${THREADS}u + lane`)}
${eachRow(rows, columns, storePixels(columns))}`;
}

/**
 * WGSL that runs `store` for each row of `sum0`, `sum1`, …, the thread's results: `o` is the row, `final4` its
 * columns after the epilogue.
 */
export function eachRow(rows: number, columns: 4 | 2, store: string): string {
  const found = columns === 4 ? 'value' : 'vec4f(value, 0.0, 0.0)';
  // The text of four rows: picking each of them by a loop would take as long as storing them.
  const body = each(
    4,
    (i) => `    {
      let value = picked${i};
      let o = firstRow + 4u * rowGroup + ${i}u;
      if (o >= sizes.rows) { continue; }
${EPILOGUE.replace('value', found)}
${store}
    }`,
  );
  return eachOfGroups(
    `vec${columns}f`,
    grouped(rows, (row) => `sum${row}`),
    'rowGroup',
    body,
  );
}
