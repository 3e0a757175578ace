import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import {
  type Activation,
  activationForward,
  activationGradient,
  activationKey,
} from './activation.ts';
import type { AdapterProfile, Kernel } from './kernel.ts';
import { literal, vectorMain, vectorWorkgroups } from './linear.ts';

/*
 * Maps over whole arrays, vec4 by vec4:
 *
 *   binary               y[i] = f(a[i], b[i])
 *   accumulate           y[i] += a[i]
 *   scale                y[i] = factor·x[i]
 *   activation           y[i] = f(x[i])
 *   activation gradient  dx[i] = dy[i]·f'(x[i]), from y[i]
 *
 * Storages are padded to a multiple of 16 bytes, so the last vec4 may reach past the tensor: its
 * extra lanes compute on padding and are never looked at. The code does not know the size, so that
 * one pipeline serves all.
 */

/** Binary maps. Arguments are the vec4s `a` and `b`. */
const BINARY = {
  /** y = a + b */
  add: 'a + b',
  /** y = a - b */
  subtract: 'a - b',
  /** y = a·b */
  multiply: 'a * b',
} as const;

export type BinaryName = keyof typeof BINARY;

/**
 * `add`, `subtract`, `multiply`: bindings a, b, y. `accumulate` (y += a): bindings a, y.
 * @param size elements of each array
 */
export function elementwiseBinary(
  name: BinaryName | 'accumulate',
  size: number,
  profile?: AdapterProfile,
): Kernel {
  const count = Math.ceil(size / 4);
  const inPlace = name === 'accumulate';
  return {
    key: `elementwise.${name}`,
    bindings: inPlace ? ['read', 'write'] : ['read', 'read', 'write'],
    workgroups: vectorWorkgroups(count, profile),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> first: array<vec4f>;
#if ${inPlace}
@group(0) @binding(1) var<storage, read_write> result: array<vec4f>;
#else
@group(0) @binding(1) var<storage, read> second: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4f>;
#endif
${vectorMain('arrayLength(&result)')}
  let a = first[index];
#if ${inPlace}
  result[index] = result[index] + a;
#else
  let b = second[index];
  result[index] = ${inPlace ? '' : BINARY[name]};
#endif
  }
}
`,
  };
}

/** y = factor·x. Bindings x, y. The factor is part of the code. */
export function elementwiseScale(factor: number, size: number, profile?: AdapterProfile): Kernel {
  return unary(`scale${Math.fround(factor)}`, `${literal(factor)} * x`, size, profile);
}

/** y = f(x). Bindings x, y. */
export function elementwiseActivation(
  activation: Activation,
  size: number,
  profile?: AdapterProfile,
): Kernel {
  return unary(activationKey(activation), activationForward(activation, 'x'), size, profile);
}

function unary(
  name: string,
  expression: string,
  size: number,
  profile: AdapterProfile | undefined,
): Kernel {
  const count = Math.ceil(size / 4);
  return {
    key: `elementwise.${name}`,
    bindings: ['read', 'write'],
    workgroups: vectorWorkgroups(count, profile),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> result: array<vec4f>;
${vectorMain('arrayLength(&result)')}
  let x = source[index];
  result[index] = ${expression};
  }
}
`,
  };
}

/** dx = dy·f'(x), computed from y = f(x). Bindings dy, y, dx. */
export function elementwiseActivationGradient(
  activation: Activation,
  size: number,
  profile?: AdapterProfile,
): Kernel {
  const count = Math.ceil(size / 4);
  return {
    key: `elementwise.${activationKey(activation)}.gradient`,
    bindings: ['read', 'read', 'write'],
    workgroups: vectorWorkgroups(count, profile),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> cotangent: array<vec4f>;
@group(0) @binding(1) var<storage, read> output: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4f>;
${vectorMain('arrayLength(&result)')}
  let dy = cotangent[index];
  let y = output[index];
  result[index] = ${activationGradient(activation, 'dy', 'y')};
  }
}
`,
  };
}
