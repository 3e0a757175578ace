import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from '../../kernels/kernel.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { repeat } from './repeat.ts';
import type { Accesses } from './roof.ts';
import type { Stopwatch } from './stopwatch.ts';

/*
 * What a load or a store costs when its data is as near as can be. CPU drivers take dozens of instructions for each
 * value of each lane, GPUs have fewer units for it than for arithmetic: kernels with little to compute on a
 * value are limited by this long before memory is.
 */

/** Values, or vec4s, that an access takes at once. */
type Width = 1 | 4;

const LANES = 64;
const WORKGROUPS = 256;
const ROUNDS = 128;
/** Accesses in the body of the loop, at constant distances: more, or with an address of their own each, are no faster. */
const UNROLLED = 4;
/** Places that the rounds take turns with: 16 KiB a workgroup where they are vec4s. */
const TURNS = 4;
const EXTENT = WORKGROUPS * LANES * UNROLLED * TURNS;

/**
 * Bindings x, y of `EXTENT` values or vec4s. Neighbouring lanes take neighbouring values, or vec4s of them. Which part of
 * its workgroup's stretch they go to turns with the loop, so that none can be left out.
 */
function accessKernel(kind: keyof Accesses, width: Width): Kernel {
  const element = width === 4 ? 'vec4f' : 'f32';
  const place = (k: number): string => `start + ${k * LANES}u`;
  // As few sums as leave registers free, as many as hide the latency of an addition.
  const sums = kind === 'loads' ? Array.from({ length: 4 / width }, (_, k) => k) : [];
  const access = (k: number): string =>
    kind === 'loads'
      ? `    sum${k % sums.length} += source[${place(k)}];`
      : `    result[${place(k)}] = value;`;
  return {
    key: `bench.${kind}.${width}`,
    bindings: ['read', 'write'],
    workgroups: [WORKGROUPS, 1, 1],
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> source: array<${element}>;
@group(0) @binding(1) var<storage, read_write> result: array<${element}>;
@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first = group.x * ${LANES * UNROLLED * TURNS}u + lane;
  var value = source[first];
${sums.map((k) => `  var sum${k} = value;`).join('\n')}
  for (var i = 0u; i < ${ROUNDS}u; i++) {
    let start = first + i % ${TURNS}u * ${LANES * UNROLLED}u;
${Array.from({ length: UNROLLED }, (_, k) => access(k)).join('\n')}
    ${kind === 'stores' ? 'value += value;' : ''}
  }
${kind === 'loads' ? `  result[first] = ${sums.map((k) => `sum${k}`).join(' + ')};` : ''}
}
`,
  };
}

/** 10⁹ values a second that the adapter loads and stores, of data in its first cache. */
export async function measureAccesses(gpu: Gpu, clock: Stopwatch): Promise<Accesses> {
  const rate = async (kind: keyof Accesses, width: Width): Promise<number> => {
    const source = gpu.upload(new Float32Array(EXTENT * width).fill(1));
    const result = gpu.allocate(EXTENT * width * 4);
    const kernel = accessKernel(kind, width);
    const { time } = await repeat(gpu, clock, () => gpu.run(kernel, [source, result]));
    gpu.dispose(source);
    gpu.dispose(result);
    return ((EXTENT / TURNS) * ROUNDS * width) / time.least / 1e6;
  };
  const rates = async (kind: keyof Accesses) => ({
    quads: await rate(kind, 4),
    singles: await rate(kind, 1),
  });
  return { loads: await rates('loads'), stores: await rates('stores') };
}
