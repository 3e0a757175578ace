import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import {
  type Activation,
  activationForward,
  activationGradient,
  activationKey,
  NONE,
} from './activation.ts';
import type { AdapterProfile, Kernel } from './kernel.ts';
import { vectorMain, vectorWorkgroups } from './linear.ts';

/*
 * Concatenation and slicing along one axis, seen as copies of blocks: an array is
 * [outer, stride], where stride holds the elements of the axis and of all later ones.
 *
 *   joinBlocks   y[o, i] = f(a[o, i])  i < first,  f(b[o, i - first])  else
 *   splitBlocks  the gradients of both, told from y
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
export function copyBlocks(spec: CopyBlocksSpec, profile?: AdapterProfile): Kernel {
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
    workgroups: vectorWorkgroups(count, profile),
    constants: sizes.map((size, index) => (index === 0 ? size : Math.floor(size / width))),
    code: () => wgsl`
struct Sizes {
  count: u32, length: u32, sourceStride: u32, sourceOffset: u32, targetStride: u32, targetOffset: u32,
}
@group(0) @binding(0) var<storage, read> source: array<${type}>;
@group(0) @binding(1) var<storage, read_write> result: array<${type}>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;
${vectorMain('sizes.count')}
  let outer = index / sizes.length;
  let inner = index - outer * sizes.length;
  let x = vec4f(source[outer * sizes.sourceStride + sizes.sourceOffset + inner]);
  let y = ${activationForward(activation, 'x')};
  result[outer * sizes.targetStride + sizes.targetOffset + inner] = y${width === 4 ? '' : '.x'};
  }
}
`,
  };
}

/** Two arrays side by side; the lengths of their blocks. */
export interface JoinBlocksSpec {
  readonly outer: number;
  readonly first: number;
  readonly second: number;
  readonly activation: Activation;
}

/** What joining and splitting have in common. */
function joined(
  { outer, first, second, activation }: JoinBlocksSpec,
  profile: AdapterProfile | undefined,
) {
  const width = first % 4 === 0 && second % 4 === 0 ? 4 : 1;
  const count = (outer * (first + second)) / width;
  return {
    tag: `${width}.${activationKey(activation)}`,
    type: width === 4 ? 'vec4f' : 'f32',
    swizzle: width === 4 ? '' : '.x',
    workgroups: vectorWorkgroups(count, profile),
    constants: [count, first / width, second / width],
    sizes: 'struct Sizes { count: u32, first: u32, second: u32 }',
    /** Defines the block `outer` and the place `inner` in it of element `index` of y. */
    main: `${vectorMain('sizes.count')}
  let outer = index / (sizes.first + sizes.second);
  let inner = index - outer * (sizes.first + sizes.second);`,
  };
}

/** Bindings a, b, y. */
export function joinBlocks(spec: JoinBlocksSpec, profile?: AdapterProfile): Kernel {
  const { tag, type, swizzle, workgroups, constants, sizes, main } = joined(spec, profile);
  return {
    key: `join-blocks.${tag}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups,
    constants,
    code: () => wgsl`
${sizes}
@group(0) @binding(0) var<storage, read> a: array<${type}>;
@group(0) @binding(1) var<storage, read> b: array<${type}>;
@group(0) @binding(2) var<storage, read_write> result: array<${type}>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${main}
  var x: vec4f;
  if (inner < sizes.first) { x = vec4f(a[outer * sizes.first + inner]); }
  else { x = vec4f(b[outer * sizes.second + inner - sizes.first]); }
  let y = ${activationForward(spec.activation, 'x')};
  result[index] = y${swizzle};
  }
}
`,
  };
}

/** Bindings dy, y, da, db: the gradient of `joinBlocks`. */
export function splitBlocks(spec: JoinBlocksSpec, profile?: AdapterProfile): Kernel {
  const { tag, type, swizzle, workgroups, constants, sizes, main } = joined(spec, profile);
  return {
    key: `split-blocks.${tag}`,
    bindings: ['read', 'read', 'write', 'write', 'read'],
    workgroups,
    constants,
    code: () => wgsl`
${sizes}
@group(0) @binding(0) var<storage, read> cotangent: array<${type}>;
@group(0) @binding(1) var<storage, read> output: array<${type}>;
@group(0) @binding(2) var<storage, read_write> da: array<${type}>;
@group(0) @binding(3) var<storage, read_write> db: array<${type}>;
@group(0) @binding(4) var<storage, read> sizes: Sizes;
${main}
  let dy = vec4f(cotangent[index]);
  let y = vec4f(output[index]);
  let dx = ${activationGradient(spec.activation, 'dy', 'y')};
  if (inner < sizes.first) { da[outer * sizes.first + inner] = dx${swizzle}; }
  else { db[outer * sizes.second + inner - sizes.first] = dx${swizzle}; }
  }
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
export function cutBlocks(
  { outer, length, stride, offset, activation }: CutBlocksSpec,
  profile?: AdapterProfile,
): Kernel {
  const lengths = outer > 1 ? [length, offset, stride] : [length, offset];
  const width = lengths.every((value) => value % 4 === 0) ? 4 : 1;
  const type = width === 4 ? 'vec4f' : 'f32';
  const count = (outer * length) / width;
  return {
    key: `cut-blocks.${width}.${activationKey(activation)}`,
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: vectorWorkgroups(count, profile),
    constants: [count, length / width, Math.floor(stride / width), offset / width],
    code: () => wgsl`
struct Sizes { count: u32, length: u32, stride: u32, offset: u32 }
@group(0) @binding(0) var<storage, read> cotangent: array<${type}>;
@group(0) @binding(1) var<storage, read> output: array<${type}>;
@group(0) @binding(2) var<storage, read_write> result: array<${type}>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;
${vectorMain('sizes.count')}
  let outer = index / sizes.length;
  let at = outer * sizes.stride + sizes.offset + (index - outer * sizes.length);
  let dy = vec4f(cotangent[at]);
  let y = vec4f(output[at]);
  let dx = ${activationGradient(activation, 'dy', 'y')};
  result[index] = dx${width === 4 ? '' : '.x'};
  }
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
export function padBlocks(
  { outer, stride, offset, length }: PadBlocksSpec,
  profile?: AdapterProfile,
): Kernel {
  const width = [stride, offset, length].every((value) => value % 4 === 0) ? 4 : 1;
  const type = width === 4 ? 'vec4f' : 'f32';
  const count = (outer * stride) / width;
  return {
    key: `pad-blocks.${width}`,
    bindings: ['read', 'write', 'read'],
    workgroups: vectorWorkgroups(count, profile),
    constants: [count, stride / width, offset / width, length / width],
    code: () => wgsl`
struct Sizes { count: u32, stride: u32, offset: u32, length: u32 }
@group(0) @binding(0) var<storage, read> source: array<${type}>;
@group(0) @binding(1) var<storage, read_write> result: array<${type}>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;
${vectorMain('sizes.count')}
  let outer = index / sizes.stride;
  // Wraps to huge numbers before the source's block.
  let inner = index - outer * sizes.stride - sizes.offset;
  var value = ${type}(0.0);
  if (inner < sizes.length) { value = source[outer * sizes.length + inner]; }
  result[index] = value;
  }
}
`,
  };
}
