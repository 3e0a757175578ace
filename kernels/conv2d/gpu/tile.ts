import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';

/*
 * The tile loop that the GPU variants of convolution, data gradient and weight gradient share: a
 * matrix product whose operands are computed by loaders,
 *
 *   sum[row, column] = Σ_k rowOperand[k, row] · columnOperand[k, column].
 *
 * A workgroup of TX × TY threads owns 8·TY rows and 8·TX columns; a thread owns 8 × 8 of them, as
 * 16 vec4s. Per step of `depth` values of k the workgroup copies both operands into workgroup memory,
 * then every thread multiplies 8 values of one with 8 of the other for each k: 64 bytes of workgroup
 * memory for 64 multiply-adds.
 *
 * Both tiles are kept as two halves, of which a thread reads one vec4 each. The distance between them is a
 * constant index of the outermost array, or a constant added last to the only index, so it ends up in the
 * offset field of the load instruction and one address serves both; and neighbouring threads read
 * neighbouring vec4s, without bank conflicts. Rows have the pitch of columns, the larger of TX and TY, so that
 * one product k·pitch serves both addresses. The loop over k stays rolled: compilers that unroll it well do so
 * themselves, and Intel's spills if the text is unrolled.
 */

export interface Tile {
  /** TX; of correlations not below TY. */
  readonly columnThreads: number;
  /** TY */
  readonly rowThreads: number;
  /** Values of k in one step. */
  readonly depth: number;
}

/** Rows or columns of a thread. */
const EACH = 8;

export function tileRows(tile: Tile): number {
  return EACH * tile.rowThreads;
}

export function tileColumns(tile: Tile): number {
  return EACH * tile.columnThreads;
}

/** Threads of a workgroup. */
export function tileThreads(tile: Tile): number {
  return tile.columnThreads * tile.rowThreads;
}

export function tileKey(tile: Tile): string {
  return `${tileRows(tile)}x${tileColumns(tile)}x${tile.depth}`;
}

/** vec4s from one k to the next in a half of either tile. */
export function tilePitch({ columnThreads, rowThreads }: Tile): number {
  return Math.max(columnThreads, rowThreads);
}

/** vec4s of a half of a tile. */
export function halfTile(tile: Tile): number {
  return tilePitch(tile) * tile.depth;
}

/** Bytes of workgroup memory. */
export function tileBytes(tile: Tile): number {
  return 2 * 2 * halfTile(tile) * 16;
}

/** Tiles for weight gradients of few rows; correlations have other kernels for these. */
const FEW_ROWS: readonly Tile[] = [
  { rowThreads: 1, columnThreads: 32, depth: 2 },
  { rowThreads: 4, columnThreads: 16, depth: 8 },
];
const SMALL: Tile = { rowThreads: 8, columnThreads: 8, depth: 16 };
const HALF: Tile = { rowThreads: 8, columnThreads: 16, depth: 16 };
const LARGE: Tile = { rowThreads: 16, columnThreads: 16, depth: 16 };

/** Invocations that keep a large GPU busy. */
const WANTED_INVOCATIONS = 32768;

/** Workgroups of a product of `rows` × `columns`. */
export function tileCount(tile: Tile, rows: number, columns: number): number {
  return Math.ceil(rows / tileRows(tile)) * Math.ceil(columns / tileColumns(tile));
}

/**
 * The tile for a product of `rows` × `columns`: the largest that is not mostly empty. A large tile
 * loads less for a multiply-add; whether there are enough of them is left to `chooseSplits`.
 */
export function chooseTile(rows: number, columns: number): Tile {
  if (columns <= tileColumns(SMALL)) return SMALL;
  const padded = Math.ceil(rows / tileRows(LARGE)) * tileRows(LARGE);
  return padded <= 1.25 * rows ? LARGE : HALF;
}

export type CorrelationForm = 'tiles' | 'narrow' | 'tap-planes';

/** The tile for a weight gradient: as `chooseTile`, and none that is mostly empty if rows are few. */
export function chooseGradientTile(rows: number, columns: number): Tile {
  return FEW_ROWS.find((tile) => rows <= tileRows(tile)) ?? chooseTile(rows, columns);
}

/** What of a tiling is chosen otherwise than by size. */
export interface TileChoice {
  /**
   * Of correlations: `tiles` in workgroup memory, `narrow` ones (`narrow.ts`) or a row for each tap
   * (`tap-planes.ts`). Default by the number of rows.
   */
  readonly form?: CorrelationForm | undefined;
  /** Default `chooseTile`. */
  readonly tile?: Tile | undefined;
  /** Times as many parts as `chooseSplits` finds; 0 for no cut. Default 1. */
  readonly cut?: number | undefined;
}

/** Tiles worth trying for results of `rows` rows: neither mostly empty, nor many where one would do. */
export function tilesFor(rows: number): readonly Tile[] {
  return [...FEW_ROWS, SMALL, HALF, LARGE].filter((tile) => {
    const each = tileRows(tile);
    return each >= Math.min(rows, 64) / 2 && each < 2 * Math.max(rows, 5);
  });
}

/** Partial results may take this many elements (64 MiB), half a default binding. */
export const MOST_PARTIAL = 2 ** 24;

/** Values of k below which a part is not worth the addition of its result. */
const FEWEST_TERMS = 128;

/** What is known of a sum that may be cut into parts. */
export interface Cuttable {
  /** Of all workgroups without a cut. */
  readonly invocations: number;
  /** Steps that can be dealt out to parts. */
  readonly steps: number;
  /** Values of k in all. */
  readonly terms: number;
  /** Elements of the result. */
  readonly length: number;
}

/**
 * Into how many parts a sum is cut, so that few tiles still fill the device.
 * @param cut as in `TileChoice`
 */
export function chooseSplits({ invocations, steps, terms, length }: Cuttable, cut = 1): number {
  const wanted = Math.floor(WANTED_INVOCATIONS / invocations);
  const most = Math.min(steps, Math.floor(terms / FEWEST_TERMS), Math.floor(MOST_PARTIAL / length));
  const usual = Math.max(1, Math.min(wanted, most));
  const splits = Math.max(1, Math.min(Math.floor(usual * cut), most));
  // No part without work.
  return Math.ceil(steps / Math.ceil(steps / splits));
}

/**
 * WGSL that opens a loop of `count` passes. WebGPU compilers guard loops whose end they cannot see
 * with a second counter; the constant bound, never reached, spares that.
 */
export function openSteps(count: string): string {
  return `
  for (var step = 0u; step < 0x7fffffffu; step++) {
    if (step >= ${count}) { break; }`;
}

/** What a kernel adds to the tile loop; WGSL throughout. */
export interface TileParts {
  /** Structs, bindings, constants and functions. */
  readonly declarations: string;
  /**
   * Statements before the loop. They see `group`, `groups` (workgroup ids), `thread` (vec2u: tx, ty)
   * and `lane` (the linear index of the thread).
   */
  readonly setup: string;
  /** Opens the loops over steps of k, possibly several. */
  readonly open: string;
  /** Reads the step's operands into local values. */
  readonly load: string;
  /**
   * Writes them into the tiles: `rowTile[half][pitch·k + i]` holds rows 4·TY·half + 4·i + (0, 1, 2, 3),
   * `columnTile[halfTile·half + pitch·k + i]` columns 4·TX·half + 4·i + (0, 1, 2, 3).
   */
  readonly store: string;
  /** Goes to the next step. */
  readonly advance: string;
  /** Closes the loops of `open`. */
  readonly close: string;
  /** Stores results: `sum{r}_{h}` holds row r of 8 and columns 4·h … 4·h+3 of 8; see `results.ts`. */
  readonly finish: string;
}

/** `Kernel.tiles`: rows are of binding 1, columns of binding 0. */
export const TILES = { rowTile: 1, columnTile: 0 } as const;

/** The code of a kernel. */
export function tileCode(tile: Tile, parts: TileParts): string {
  const { columnThreads, rowThreads, depth } = tile;
  const pitch = tilePitch(tile);
  const half = halfTile(tile);
  return wgsl`
${parts.declarations}
var<workgroup> rowTile: array<array<vec4f, ${half}>, 2>;
var<workgroup> columnTile: array<vec4f, ${2 * half}>;

@compute @workgroup_size(${columnThreads}, ${rowThreads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_id) thread: vec3u, @builtin(local_invocation_index) lane: u32) {
${accumulators()}
${parts.setup}
${parts.open}
${parts.load}
  workgroupBarrier();
${parts.store}
  workgroupBarrier();
  for (var k = 0u; k < ${depth}u; k++) {
    let r0 = rowTile[0][k * ${pitch}u + thread.y];
    let r1 = rowTile[1][k * ${pitch}u + thread.y];
    let c0 = columnTile[k * ${pitch}u + thread.x];
    let c1 = columnTile[k * ${pitch}u + thread.x + ${half}u];
${products()}
  }
${parts.advance}
${parts.close}
${parts.finish}
}
`;
}

function accumulators(): string {
  return eachSum((sum) => `  var ${sum} = vec4f(0.0);`);
}

function products(): string {
  return eachSum((sum, r, h) => `    ${sum} = ${sum} + r${r >> 2}.${'xyzw'[r & 3]} * c${h};`);
}

function eachSum(line: (sum: string, r: number, h: number) => string): string {
  const lines: string[] = [];
  for (let r = 0; r < EACH; r++) {
    for (let h = 0; h < 2; h++) lines.push(line(`sum${r}_${h}`, r, h));
  }
  return lines.join('\n');
}
