import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from './kernel.ts';
import { linearMain, linearWorkgroups, literal } from './linear.ts';

/*
 * y[n,c,p] = (x[n,c,p] - shift[c])/scale[c], constants per channel. With one input channel, x is
 * used for every output channel, and its gradient is the sum over them:
 *
 *   x: [N, C or 1, P]   y: [N, C, P]   dx[n,c,p] = dy[n,c,p]/scale[c]  or  Σ_c dy[n,c,p]/scale[c]
 */

export interface ChannelAffineSpec {
  readonly batch: number;
  /** H·W. */
  readonly pixels: number;
  readonly scale: readonly number[];
  readonly shift: readonly number[];
  /** Whether x has one channel that all output channels use. */
  readonly broadcast: boolean;
}

function constants(name: string, values: readonly number[]): string {
  return `const ${name} = array<f32, ${values.length}>(${values.map(literal).join(', ')});`;
}

function keyOf(name: string, { pixels, scale, shift, broadcast }: ChannelAffineSpec): string {
  return `channel-affine.${name}.${pixels % 4 === 0}.${scale}.${shift}.${broadcast}`;
}

/** Declares the sizes at binding 2, in units of what an invocation handles. */
const SIZES = `
struct Sizes { count: u32, pixels: u32 }
@group(0) @binding(2) var<storage, read> sizes: Sizes;`;

/** Bindings x, y. */
export function channelAffineForward(spec: ChannelAffineSpec): Kernel {
  const { batch, pixels, scale, shift, broadcast } = spec;
  const channels = scale.length;
  const width = pixels % 4 === 0 ? 4 : 1;
  const type = width === 4 ? 'vec4f' : 'f32';
  const count = (batch * channels * pixels) / width;
  return {
    key: keyOf('forward', spec),
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(count),
    constants: [count, pixels / width],
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> x: array<${type}>;
@group(0) @binding(1) var<storage, read_write> result: array<${type}>;
${SIZES}
${constants(
  'INVERSE',
  scale.map((value) => 1 / value),
)}
${constants('SHIFT', shift)}
${linearMain('sizes.count')}
  let plane = index / sizes.pixels;
  let channel = plane % ${channels}u;
#if ${broadcast}
  let source = (plane / ${channels}u) * sizes.pixels + index % sizes.pixels;
#else
  let source = index;
#endif
  var inverses = INVERSE;
  var shifts = SHIFT;
  result[index] = (x[source] - shifts[channel]) * inverses[channel];
}
`,
  };
}

/** Bindings dy, dx. */
export function channelAffineBackward(spec: ChannelAffineSpec): Kernel {
  const { batch, pixels, scale, broadcast } = spec;
  const channels = scale.length;
  const width = pixels % 4 === 0 ? 4 : 1;
  const type = width === 4 ? 'vec4f' : 'f32';
  const count = (batch * (broadcast ? 1 : channels) * pixels) / width;
  const terms = scale.map((value, c) => `dy[first + ${c}u * sizes.pixels] * ${literal(1 / value)}`);
  return {
    key: keyOf('backward', spec),
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(count),
    constants: [count, pixels / width],
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> dy: array<${type}>;
@group(0) @binding(1) var<storage, read_write> result: array<${type}>;
${SIZES}
${constants(
  'INVERSE',
  scale.map((value) => 1 / value),
)}
${linearMain('sizes.count')}
  let plane = index / sizes.pixels;
#if ${broadcast}
  let first = plane * ${channels}u * sizes.pixels + index % sizes.pixels;
  result[index] = ${terms.join(' + ')};
#else
  var inverses = INVERSE;
  result[index] = dy[index] * inverses[plane % ${channels}u];
#endif
}
`,
  };
}
