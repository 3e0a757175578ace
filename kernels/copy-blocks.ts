import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import {
  type Activation,
  activationForward,
  activationGradient,
  activationKey,
  NONE,
} from './activation.ts';
import type { Kernel } from './kernel.ts';
import { linearMain, linearWorkgroups } from './linear.ts';

/*
 * Concatenation and slicing along one axis, seen as copies of blocks: an array is
 * [outer, stride], where stride holds the elements of the axis and of all later ones.
 *
 *   copyBlocks   target[o, targetOffset + i] = f(source[o, sourceOffset + i])  i < length
 *   cutBlocks    dx[o, i] = dy[o, offset + i]·f'(x), told from y[o, offset + i] = f(x)
 *   padBlocks    target[o, i] = source[o, i - offset] if that exists, else 0   i < stride
 *
 * All move vec4s where every length is a multiple of 4, else single elements; lengths come as
 * constants, in units of what is moved.
 */

export interface CopyBlocksSpec {
  readonly outer: number;
  /** Elements copied from each block. */
  readonly length: number;
  readonly sourceStride: number;
  readonly sourceOffset: number;
  readonly targetStride: number;
  readonly targetOffset: number;
  /** f; default none. */
  readonly activation?: Activation;
}

/** Bindings source, target. Elements of the target outside the blocks stay as they are. */
export function copyBlocks(spec: CopyBlocksSpec): Kernel {
  const { outer, length, sourceStride, sourceOffset, targetStride, targetOffset } = spec;
  const { activation = NONE } = spec;
  const lengths = [length, sourceOffset, targetOffset];
  if (outer > 1) lengths.push(sourceStride, targetStride);
  const width = lengths.every((value) => value % 4 === 0) ? 4 : 1;
  const type = width === 4 ? 'vec4f' : 'f32';
  const count = (outer * length) / width;
  const sizes = [count, length, sourceStride, sourceOffset, targetStride, targetOffset];
  return {
    key: `copy-blocks.${width}.${activationKey(activation)}`,
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(count),
    constants: sizes.map((size, index) => (index === 0 ? size : Math.floor(size / width))),
    code: () => wgsl`
struct Sizes {
  count: u32, length: u32, sourceStride: u32, sourceOffset: u32, targetStride: u32, targetOffset: u32,
}
@group(0) @binding(0) var<storage, read> source: array<${type}>;
@group(0) @binding(1) var<storage, read_write> result: array<${type}>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;
${linearMain('sizes.count')}
  let outer = index / sizes.length;
  let inner = index - outer * sizes.length;
  let x = vec4f(source[outer * sizes.sourceStride + sizes.sourceOffset + inner]);
  let y = ${activationForward(activation, 'x')};
  result[outer * sizes.targetStride + sizes.targetOffset + inner] = y${width === 4 ? '' : '.x'};
}
`,
  };
}

export interface CutBlocksSpec {
  readonly outer: number;
  /** Elements of a block of dx. */
  readonly length: number;
  /** Elements of a block of y, and where in it the block of dx was. */
  readonly stride: number;
  readonly offset: number;
  readonly activation: Activation;
}

/** Bindings dy, y, dx: the gradient of `copyBlocks` of a whole source into a part of y. */
export function cutBlocks({ outer, length, stride, offset, activation }: CutBlocksSpec): Kernel {
  const lengths = outer > 1 ? [length, offset, stride] : [length, offset];
  const width = lengths.every((value) => value % 4 === 0) ? 4 : 1;
  const type = width === 4 ? 'vec4f' : 'f32';
  const count = (outer * length) / width;
  return {
    key: `cut-blocks.${width}.${activationKey(activation)}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: linearWorkgroups(count),
    constants: [count, length / width, Math.floor(stride / width), offset / width],
    code: () => wgsl`
struct Sizes { count: u32, length: u32, stride: u32, offset: u32 }
@group(0) @binding(0) var<storage, read> cotangent: array<${type}>;
@group(0) @binding(1) var<storage, read> output: array<${type}>;
@group(0) @binding(2) var<storage, read_write> result: array<${type}>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${linearMain('sizes.count')}
  let outer = index / sizes.length;
  let at = outer * sizes.stride + sizes.offset + (index - outer * sizes.length);
  let dy = vec4f(cotangent[at]);
  let y = vec4f(output[at]);
  let dx = ${activationGradient(activation, 'dy', 'y')};
  result[index] = dx${width === 4 ? '' : '.x'};
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
  return {
    key: `pad-blocks.${width}`,
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(count),
    constants: [count, stride / width, offset / width, length / width],
    code: () => wgsl`
struct Sizes { count: u32, stride: u32, offset: u32, length: u32 }
@group(0) @binding(0) var<storage, read> source: array<${type}>;
@group(0) @binding(1) var<storage, read_write> result: array<${type}>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;
${linearMain('sizes.count')}
  let outer = index / sizes.stride;
  // Wraps to huge numbers before the source's block.
  let inner = index - outer * sizes.stride - sizes.offset;
  var value = ${type}(0.0);
  if (inner < sizes.length) { value = source[outer * sizes.length + inner]; }
  result[index] = value;
}
`,
  };
}
