import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { floatBits, type Kernel } from './kernel.ts';
import { linearMain, linearWorkgroups } from './linear.ts';

/*
 * Vectors of unit length, from the channels of every position of [N,C,P]:
 *
 *   y[n,c,p] = x[n,c,p]/(r + ε)     r = sqrt(Σ_c x²)
 *   dx = (dy - x·Σ_c(dy·x)/(r·(r + ε)))/(r + ε)
 *
 * Where all channels are 0 the root has no derivative; dx is dy/ε there, without the second term.
 * One invocation a position.
 */

export interface UnitLengthSpec {
  readonly batch: number;
  readonly channels: number;
  readonly positions: number;
  readonly epsilon: number;
}

function constantsOf({ batch, channels, positions, epsilon }: UnitLengthSpec): number[] {
  return [batch, channels, positions, floatBits(epsilon)];
}

const SIZES = 'struct Sizes { batch: u32, channels: u32, positions: u32, epsilon: f32 }';

/** Defines `first`, the position's element of channel 0, and `squares`, the vector's squared length. */
const VECTOR = `
  let image = index / sizes.positions;
  let positions = sizes.positions;
  let channels = sizes.channels;
  let first = image * channels * positions + (index - image * positions);
  var squares = 0.0;
  for (var c = 0u; c < channels; c++) {
    let value = x[first + c * positions];
    squares += value * value;
  }
  let radius = sqrt(squares);
  let inverse = 1.0 / (radius + sizes.epsilon);`;

/** Bindings x, y. */
export function unitLengthForward(spec: UnitLengthSpec): Kernel {
  return {
    key: 'unit-length.forward',
    bindings: ['read', 'write', 'read'],
    workgroups: linearWorkgroups(spec.batch * spec.positions),
    constants: constantsOf(spec),
    code: () => wgsl`${SIZES}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;
@group(0) @binding(2) var<storage, read> sizes: Sizes;

${linearMain('sizes.batch * sizes.positions')}
${VECTOR}
  for (var c = 0u; c < channels; c++) {
    let at = first + c * positions;
    result[at] = x[at] * inverse;
  }
}
`,
  };
}

/** Bindings dy, x, dx. */
export function unitLengthBackward(spec: UnitLengthSpec): Kernel {
  return {
    key: 'unit-length.backward',
    bindings: ['read', 'read', 'write', 'read'],
    workgroups: linearWorkgroups(spec.batch * spec.positions),
    constants: constantsOf(spec),
    code: () => wgsl`${SIZES}
@group(0) @binding(0) var<storage, read> cotangent: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;

${linearMain('sizes.batch * sizes.positions')}
${VECTOR}
  var product = 0.0;
  for (var c = 0u; c < channels; c++) {
    let at = first + c * positions;
    product += cotangent[at] * (x[at] * inverse);
  }
  let along = select(product / radius, 0.0, radius == 0.0);
  for (var c = 0u; c < channels; c++) {
    let at = first + c * positions;
    result[at] = (cotangent[at] - x[at] * along) * inverse;
  }
}
`,
  };
}
