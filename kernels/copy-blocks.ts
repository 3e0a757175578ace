import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from './kernel.ts';
import { linearMain, linearWorkgroups } from './linear.ts';

/*
 * Concatenation and slicing along one axis, seen as copies of blocks: an array is
 * [outer, stride], where stride holds the elements of the axis and of all later ones.
 *
 *   copyBlocks   target[o, targetOffset + i] = source[o, sourceOffset + i]     i < length
 *   padBlocks    target[o, i] = source[o, i - offset] if that exists, else 0   i < stride
 *
 * Both move vec4s where every length is a multiple of 4, else single elements.
 */

export interface CopyBlocksSpec {
  readonly outer: number;
  /** Elements copied from each block. */
  readonly length: number;
  readonly sourceStride: number;
  readonly sourceOffset: number;
  readonly targetStride: number;
  readonly targetOffset: number;
}

/** Bindings source, target. Elements of the target outside the blocks stay as they are. */
export function copyBlocks(spec: CopyBlocksSpec): Kernel {
  const { outer, length, sourceStride, sourceOffset, targetStride, targetOffset } = spec;
  const lengths = [length, sourceOffset, targetOffset];
  if (outer > 1) lengths.push(sourceStride, targetStride);
  const width = lengths.every((value) => value % 4 === 0) ? 4 : 1;
  const type = width === 4 ? 'vec4f' : 'f32';
  const count = (outer * length) / width;
  const block = length / width;
  return {
    key: `copy-blocks.${outer}x${length}.${sourceStride}+${sourceOffset}.${targetStride}+${targetOffset}`,
    bindings: ['read', 'write'],
    workgroups: linearWorkgroups(count),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> source: array<${type}>;
@group(0) @binding(1) var<storage, read_write> result: array<${type}>;
${linearMain(count)}
#if ${outer === 1}
  result[${targetOffset / width}u + index] = source[${sourceOffset / width}u + index];
#else
  let outer = index / ${block}u;
  let inner = index - outer * ${block}u;
  result[outer * ${targetStride / width}u + ${targetOffset / width}u + inner] =
    source[outer * ${sourceStride / width}u + ${sourceOffset / width}u + inner];
#endif
}
`,
  };
}

export interface PadBlocksSpec {
  readonly outer: number;
  /** Elements of a block of the target. */
  readonly stride: number;
  /** Where the source's block goes in it. */
  readonly offset: number;
  /** Elements of a block of the source. */
  readonly length: number;
}

/** Bindings source, target. Writes the whole target. */
export function padBlocks({ outer, stride, offset, length }: PadBlocksSpec): Kernel {
  const width = [stride, offset, length].every((value) => value % 4 === 0) ? 4 : 1;
  const type = width === 4 ? 'vec4f' : 'f32';
  const count = (outer * stride) / width;
  const block = stride / width;
  return {
    key: `pad-blocks.${outer}x${stride}.${offset}+${length}`,
    bindings: ['read', 'write'],
    workgroups: linearWorkgroups(count),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> source: array<${type}>;
@group(0) @binding(1) var<storage, read_write> result: array<${type}>;
${linearMain(count)}
  let outer = index / ${block}u;
  let inner = index - outer * ${block}u - ${offset / width}u; // Wraps to huge before the source's block.
  var value = ${type}(0.0);
  if (inner < ${length / width}u) { value = source[outer * ${length / width}u + inner]; }
  result[index] = value;
}
`,
  };
}
