/**
 * Nothing in a kernel may depend on the order in which invocations run. WGSL has no atomic floats, but
 * they can be made of compare-and-exchange on their bits, and any atomic makes an order visible; so no
 * kernel has one, except the counter of non-finite elements, whose integer additions commute.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Kernel } from '../../kernels/kernel.ts';
import { backward } from '../../src/autograd/backward.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { OPS } from '../../src/autograd/registry/index.ts';
import type { OpCase } from '../../src/autograd/registry/row.ts';
import { tensorFrom, zeros } from '../../src/autograd/tensor.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { openNodeGpu } from '../../src/node.ts';

const suite = createSuite('determinism of kernels');

const ROOT = new URL('../../', import.meta.url);
/** Integers added up without the order mattering. */
const ALLOWED = new Map([['kernels/finite.ts', ['atomic', 'atomicAdd']]]);

/** Words of WGSL's atomics in a text, but for those in comments. */
function atomics(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');
  return [...new Set(code.match(/\batomic\w*/g))].sort();
}

/** TypeScript files of a folder, by path from the root. */
function sources(folder: string): Map<string, string> {
  const files = readdirSync(new URL(folder, ROOT), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => `${folder}${file.replaceAll('\\', '/')}`);
  return new Map(files.map((file) => [file, readFileSync(new URL(file, ROOT), 'utf8')]));
}

suite('the scan sees atomics', () => {
  const text = `
    var<storage, read_write> sums: array<atomic<u32>>; // atomicMax
    loop { let old = atomicLoad(&sums[0]);
      if (atomicCompareExchangeWeak(&sums[0], old, bitcast<u32>(x)).exchanged) { break; } }`;
  assert.equal(atomics(text), ['atomic', 'atomicCompareExchangeWeak', 'atomicLoad']);
  assert.equal(atomics('/* atomicAdd */ let y = x;'), []);
});

suite('no source of a kernel holds an atomic', () => {
  const files = sources('kernels/');
  assert.ok(files.size > 30, `${files.size} files`);
  for (const [file, text] of files) assert.equal(atomics(text), ALLOWED.get(file) ?? [], file);
});

suite('no shader is written outside kernels/', () => {
  for (const [file, text] of sources('src/')) {
    assert.not.match(text, /@compute|@workgroup_size|var<storage/, file);
  }
});

/** One use of an op with all its gradients. */
function record(gpu: Gpu, op: OpCase): void {
  gpu.scope(() => {
    const inputs = op.inputs.map(({ data, shape }) =>
      tensorFrom(gpu, Float32Array.from(data), shape),
    );
    inputs.forEach((input, index) => {
      input.requiresGrad = !op.constant.includes(index);
    });
    const y = op.run(inputs);
    backward(
      y,
      inputs.filter(({ requiresGrad }) => requiresGrad),
      zeros(gpu, y.shape),
    );
  });
  gpu.recorder.reset();
}

suite('no code that the ops generate holds an atomic, and equal keys mean equal code', async () => {
  const gpu = await openNodeGpu();
  const codes = new Map<string, string>();
  // Nothing is compiled or run: commands are recorded, and dropped.
  gpu.pipelines.request = (kernel: Kernel) => {
    const code = kernel.code();
    // A key that leaves out a part of its specification would run another kernel's code.
    assert.is(codes.get(kernel.key) ?? code, code, `two codes of key ${kernel.key}`);
    codes.set(kernel.key, code);
    return { key: kernel.key, ready: Promise.resolve(), pipeline: undefined };
  };
  try {
    for (const row of OPS) {
      const random = new RandomStream(3, row.name);
      for (const sample of row.cases(random)) record(gpu, sample);
    }
  } finally {
    gpu.close();
  }
  assert.ok(codes.size > 80, `${codes.size} kernels`);
  for (const [key, code] of codes) {
    assert.equal(atomics(code), [], key);
    assert.match(code, /@compute/, key);
  }
});

suite.run();
