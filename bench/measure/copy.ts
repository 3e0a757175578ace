import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from '../../kernels/kernel.ts';
import { linearWorkgroups } from '../../kernels/linear.ts';

/** vec4s an invocation may copy: which is best differs between adapters. */
export const MOVES = [1, 2, 4, 8] as const;

export type Moves = (typeof MOVES)[number];

const LANES = 64;

/** Bytes of the largest array copied: beyond every cache, within every binding limit. */
export const MOST_COPIED = 64 * 2 ** 20;

/** vec4s to copy so that at least `bytes` are moved, half of them read and half written; at most `MOST_COPIED`. */
export function copiedVectors(bytes: number, moves: Moves): number {
  const enough = Math.ceil(bytes / 32 / (LANES * moves)) * LANES * moves;
  return Math.min(enough, MOST_COPIED / 16);
}

/**
 * Bindings x, y of `vectors` vec4s, a multiple of `64·moves`. Every invocation copies `moves` of them
 * that lie far apart, all loads before all stores, and nothing is tested.
 */
export function copyVectors(vectors: number, moves: Moves): Kernel {
  const invocations = vectors / moves;
  const workgroups = linearWorkgroups(invocations);
  const each = (statement: (k: number) => string): string =>
    Array.from({ length: moves }, (_, k) => statement(k)).join('\n');
  return {
    key: `bench.copy.${vectors}.${moves}`,
    bindings: ['read', 'write'],
    workgroups,
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> result: array<vec4f>;
@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * ${workgroups[0]}u + group.x) * ${LANES}u + lane;
${each((k) => `  let v${k} = source[index + ${k * invocations}u];`)}
${each((k) => `  result[index + ${k * invocations}u] = v${k};`)}
}
`,
  };
}
