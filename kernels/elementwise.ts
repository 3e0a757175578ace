import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type Kernel, spreadWorkgroups } from './kernel.ts';

/*
 * Maps over whole arrays, four elements an invocation:
 *
 *   unary      y[i] = f(x[i])
 *   binary     y[i] = f(a[i], b[i])
 *
 * Storages are padded to a multiple of 16 bytes, so the last vec4 may reach past the tensor: its
 * extra lanes compute on padding and are never looked at.
 */

const WORKGROUP = 64;

/** Binary maps; `accumulate` and `scaleInto` are in place. Arguments are the vec4s `a` and `b`. */
const BINARY = {
  /** y = a + b */
  add: 'a + b',
  /** y = a - b */
  subtract: 'a - b',
  /** y = a·b */
  multiply: 'a * b',
} as const;

export type BinaryName = keyof typeof BINARY;

/** Linear index of an invocation under `spreadWorkgroups`. */
const INDEX = `
  let index = (group.y * groups.x + group.x) * ${WORKGROUP}u + lane;`;

const HEADER = `
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {${INDEX}`;

/** Number of vec4s, and workgroups to cover them. */
function cover(size: number): { count: number; workgroups: [number, number, number] } {
  const count = Math.ceil(size / 4);
  return { count, workgroups: spreadWorkgroups(Math.ceil(count / WORKGROUP)) };
}

/**
 * `add`, `subtract`, `multiply`: bindings a, b, y. `accumulate` (y += a): bindings a, y.
 * @param size elements of each array
 */
export function elementwiseBinary(name: BinaryName | 'accumulate', size: number): Kernel {
  const { count, workgroups } = cover(size);
  const inPlace = name === 'accumulate';
  return {
    key: `elementwise.${name}.${count}`,
    bindings: inPlace ? ['read', 'write'] : ['read', 'read', 'write'],
    workgroups,
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> first: array<vec4f>;
#if ${inPlace}
@group(0) @binding(1) var<storage, read_write> result: array<vec4f>;
#else
@group(0) @binding(1) var<storage, read> second: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4f>;
#endif
${HEADER}
  if (index >= ${count}u) { return; }
  let a = first[index];
#if ${inPlace}
  result[index] = result[index] + a;
#else
  let b = second[index];
  result[index] = ${inPlace ? '' : BINARY[name as BinaryName]};
#endif
}
`,
  };
}
