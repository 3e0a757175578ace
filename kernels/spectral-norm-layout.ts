/**
 * How the kernels of spectral normalisation see weights; formulas are in spectral-norm.ts.
 *
 * The weights of one discriminator are small and their passes short, so several go through one
 * dispatch: its workgroups are dealt out to the layers, and a table in the constants says whose they are
 * and where that layer's operands lie in storages that all layers share.
 */

import { spreadWorkgroups } from './kernel.ts';

export interface SpectralNormShape {
  /** Output channels, the rows of M. */
  readonly rows: number;
  /** 1 for OIHW; the input channels for IOHW. */
  readonly blocks: number;
  /** Contiguous elements of a row in one block. */
  readonly inner: number;
}

/** A weight, and the elements at which it and its u and v begin in the storages of all: multiples of 4. */
export interface SpectralNormOperands extends SpectralNormShape {
  readonly weightStart: number;
  readonly uStart: number;
  readonly vStart: number;
}

/** The same with its places in what a forward keeps and uses on the way. */
export interface SpectralNormLayer extends SpectralNormOperands {
  /** Which σ is its own. */
  readonly index: number;
  /** First of its values among all rows, and among all columns. */
  readonly rowStart: number;
  readonly columnStart: number;
}

/**
 * Layers that one dispatch may take: their cotangents are bound one by one, beside four other storages,
 * and WebGPU guarantees eight.
 */
export const MAX_SPECTRAL_LAYERS = 4;

/** Lays out rows and columns of several layers behind each other, each from a multiple of 4 on. */
export function packLayers(operands: readonly SpectralNormOperands[]): {
  readonly layers: readonly SpectralNormLayer[];
  /** Lengths of all rows and of all columns. */
  readonly rows: number;
  readonly columns: number;
} {
  let rows = 0;
  let columns = 0;
  const layers = operands.map((layer, index) => {
    const placed = { ...layer, index, rowStart: rows, columnStart: columns };
    rows += padded(layer.rows);
    columns += padded(layer.blocks * layer.inner);
    return placed;
  });
  return { layers, rows, columns };
}

export function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}

/** Number of elements of a weight. */
export function weightSize({ rows, blocks, inner }: SpectralNormShape): number {
  return rows * blocks * inner;
}

/** Elements an invocation moves at once, if the rows of w are aligned to them. */
export function vectorWidth(length: number): 1 | 4 {
  return length % 4 === 0 ? 4 : 1;
}

export function vectorAlias(width: 1 | 4): string {
  return width === 4
    ? `alias V = vec4f;
fn fold(x: V) -> f32 { return (x.x + x.y) + (x.z + x.w); }`
    : `alias V = f32;
fn fold(x: V) -> f32 { return x; }`;
}

/**
 * What differs between the pipelines of two weights: whether vec4s fit, and how rows are laid out.
 * Only layers that agree in it can share a dispatch.
 */
export function layoutKey({ blocks, inner }: SpectralNormShape): string {
  return `${vectorWidth(inner)}.${blocks === 1 ? 'rows' : 'blocks'}`;
}

/** Sizes of M; columns, and the stride from row to row, in vectors. */
export function sizesOf({ rows, blocks, inner }: SpectralNormShape): {
  readonly rows: number;
  readonly columns: number;
  readonly stride: number;
} {
  const stride = inner / vectorWidth(inner);
  return { rows, columns: blocks * stride, stride };
}

/** A dispatch's share for one layer. */
export interface LayerEntry {
  /** Workgroups. */
  readonly groups: number;
  /** What the kernel's code reads as `layer.name`, all of them u32. */
  readonly fields: Readonly<Record<string, number>>;
}

/**
 * Deals out the workgroups of one dispatch to layers. In the code, `declaration` comes after the
 * other bindings, `main` opens the entry point (without its brace) with `layerIndex`, `layer`, and the
 * number `local` of the workgroup within the layer; workgroups beyond the last layer have returned.
 */
export function layerTable(entries: readonly LayerEntry[], lanes: number) {
  let first = 0;
  const constants = entries.flatMap(({ groups, fields }) => {
    const row = [first, groups, ...Object.values(fields)];
    first += groups;
    return row;
  });
  const names = ['first', 'groups', ...Object.keys(entries[0].fields)];
  return {
    workgroups: spreadWorkgroups(first),
    constants,
    /** Part of the kernel's key. */
    tag: `${entries.length}`,
    declaration: (binding: number): string => `
struct Layer { ${names.map((name) => `${name}: u32`).join(', ')} }
@group(0) @binding(${binding}) var<storage, read> layers: array<Layer, ${entries.length}>;`,
    main: `@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) count: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let group = id.y * count.x + id.x;
  var layerIndex = 0u;
  for (var i = 1u; i < ${entries.length}u; i++) { layerIndex += u32(group >= layers[i].first); }
  let layer = layers[layerIndex];
  let local = group - layer.first;
  if (local >= layer.groups) { return; }`,
  };
}

/** Code for every layer in turn, of which a workgroup runs its own: bindings cannot be indexed. */
export function eachLayer(count: number, body: (layer: number) => string): string {
  return Array.from(
    { length: count },
    (_, layer) => `if (layerIndex == ${layer}u) { ${body(layer)} }`,
  ).join('\n  ');
}

/** Vectors of an elementwise pass that one invocation handles, so that scalars are loaded once. */
export const PER_LANE = 4;
export const LANES = 64;
