import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkDevice, formatMismatch, gradcheckReference } from '../../src/autograd/gradcheck.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import type { AnyOpRow } from '../../src/autograd/registry/row.ts';
import { checkReuse } from '../../src/autograd/reuse-check.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';

/**
 * Adds three tests per op: its reference against finite differences, its kernels against the
 * reference, and what happens when the op or its inputs occur more than once in a graph.
 */
export function testRows(suite: Test, gpu: Gpu, rows: readonly AnyOpRow[]): void {
  for (const row of rows) {
    suite(`${row.name}: reference gradients agree with finite differences`, () => {
      const random = new RandomStream(7, row.name);
      for (const sample of row.cases(random)) {
        if (sample.skipGradcheck) continue;
        const mismatch = gradcheckReference(sample, random);
        assert.not(mismatch, mismatch && `${sample.label}: ${formatMismatch(mismatch)}`);
      }
    });
  }
  testKernels(suite, gpu, rows);
}

/** Adds one test per op: its kernels against the reference. */
export function testKernels(suite: Test, gpu: Gpu, rows: readonly AnyOpRow[]): void {
  for (const row of rows) {
    suite(`${row.name}: kernels agree with the reference`, async () => {
      const random = new RandomStream(8, row.name);
      const before = gpu.memory().liveBytes;
      for (const sample of row.cases(random)) {
        const mismatch = await checkDevice(gpu, sample, row.tolerance, random);
        assert.not(mismatch, mismatch && `${sample.label}: ${formatMismatch(mismatch)}`);
      }
      assert.is(gpu.memory().liveBytes, before, 'device memory is leaked');
    });
    suite(`${row.name}: gradients add up`, async () => {
      const random = new RandomStream(9, row.name);
      const before = gpu.memory().liveBytes;
      for (const sample of row.cases(random)) {
        const mismatch = await checkReuse(gpu, sample, row.tolerance.backward, random);
        assert.not(mismatch, mismatch && `${sample.label}: ${formatMismatch(mismatch)}`);
      }
      assert.is(gpu.memory().liveBytes, before, 'device memory is leaked');
    });
  }
}
