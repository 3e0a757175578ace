import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import type { Kernel } from '../../kernels/kernel.ts';
import { linearMain, linearWorkgroups } from '../../kernels/linear.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { measureAccesses } from './access.ts';
import { copyVectors, MOST_COPIED, MOVES, type Moves } from './copy.ts';
import { repeat } from './repeat.ts';
import type { Accesses } from './roof.ts';
import type { Stopwatch } from './stopwatch.ts';

/*
 * What the adapter can do at best, measured: the shares in the tables are of these.
 *
 * Multiply-adds: every invocation carries chains of vec4 that depend on themselves only, so that
 * nothing but registers is used. How many chains hide the latency without spilling differs between
 * adapters, so several are tried and the fastest counts. The body of the loop is long, since CPU
 * drivers store every variable at the end of each round under a mask.
 */

const CHAINS = [2, 3, 4, 6, 8] as const;
const ROUNDS = 64;
/** Multiply-adds of each chain in the body of the loop. */
const UNROLLED = 16;
const INVOCATIONS = 65536;

/** Bindings x, y: `chains` vec4 chains of `ROUNDS·UNROLLED` multiply-adds an invocation. */
export function multiplyAddChains(chains: number): Kernel {
  const each = (statement: (k: number) => string): string =>
    Array.from({ length: chains }, (_, k) => statement(k)).join('\n');
  return {
    key: `bench.fma.${chains}`,
    bindings: ['read', 'write'],
    workgroups: linearWorkgroups(INVOCATIONS),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> result: array<vec4f>;
${linearMain(INVOCATIONS)}
  let factor = source[0];
  let summand = source[1];
${each((k) => `  var a${k} = source[index % 4u] + vec4f(f32(${k}));`)}
  for (var i = 0; i < ${ROUNDS}; i++) {
${Array.from({ length: UNROLLED }, () => each((k) => `    a${k} = fma(a${k}, factor, summand);`)).join('\n')}
  }
  result[index] = ${Array.from({ length: chains }, (_, k) => `a${k}`).join(' + ')};
}
`,
  };
}

export interface Peak {
  /** Multiply-adds count as two. */
  readonly gigaflops: number;
  /** Bytes read and bytes written, both counted. */
  readonly gigabytes: number;
  /** 10⁹ values a second, of data in the first cache. */
  readonly accesses: Accesses;
  /** vec4s that an invocation copies where that is reached. */
  readonly moves: Moves;
}

/** Measures what the adapter reaches at best. */
export async function measurePeak(gpu: Gpu, clock: Stopwatch): Promise<Peak> {
  const time = async (kernel: Kernel, source: Float32Array, resultBytes: number) => {
    const [input, output] = [gpu.upload(source), gpu.allocate(resultBytes)];
    const timing = await repeat(gpu, clock, () => gpu.run(kernel, [input, output]));
    gpu.dispose(input);
    gpu.dispose(output);
    return timing.time.least;
  };
  let gigaflops = 0;
  const source = Float32Array.of(...Array<number>(16).fill(0.5));
  for (const chains of CHAINS) {
    const flops = INVOCATIONS * ROUNDS * UNROLLED * chains * 4 * 2;
    const ms = await time(multiplyAddChains(chains), source, INVOCATIONS * 16);
    gigaflops = Math.max(gigaflops, flops / ms / 1e6);
  }
  let best: { gigabytes: number; moves: Moves } = { gigabytes: 0, moves: 1 };
  for (const moves of MOVES) {
    const ms = await time(
      copyVectors(MOST_COPIED / 16, moves),
      new Float32Array(MOST_COPIED / 4).fill(1),
      MOST_COPIED,
    );
    const gigabytes = (2 * MOST_COPIED) / ms / 1e6;
    if (gigabytes > best.gigabytes) best = { gigabytes, moves };
  }
  return { gigaflops, ...best, accesses: await measureAccesses(gpu, clock) };
}
