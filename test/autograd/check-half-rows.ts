import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkDevice, formatMismatch } from '../../src/autograd/gradcheck.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { type AnyOpRow, hostArray, type OpCase } from '../../src/autograd/registry/row.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { halfBitsToFloat32 } from '../../src/gpu/half-float.ts';
import { float32ToHalfBits } from '../../src/gpu/half-rounding.ts';

/** Samples of an op that a run of seconds can afford: compiling is what it waits for. */
const FEW = 4;

/**
 * Adds one test per op that takes f16: its kernels over f16 storage against the f64 reference, on inputs
 * rounded to f16. Samples that f16 cannot hold (1e30, the slope of a norm at 0) are left out.
 * @param all whether every sample is tried, or a few of each op
 */
export function testHalfRows(suite: Test, gpu: Gpu, rows: readonly AnyOpRow[], all: boolean): void {
  if (!gpu.profile.f16) {
    suite(`skipped: ${gpu.description} has no shader-f16`, () => undefined);
    return;
  }
  for (const row of rows.filter(({ halves }) => halves.length)) {
    const tolerance = toleranceOf(row, gpu);
    suite(`${row.name}: kernels over f16 agree with the reference`, async () => {
      const random = new RandomStream(8, row.name);
      const before = gpu.memory().liveBytes;
      const fitting = row.cases(random).filter(fits);
      assert.ok(fitting.length);
      const step = all ? 1 : Math.ceil(fitting.length / FEW);
      for (const sample of fitting.filter((_, index) => index % step === 0)) {
        const mismatch = await checkDevice(gpu, sample, tolerance, random, row.halves);
        assert.not(mismatch, mismatch && `${sample.label}: ${formatMismatch(mismatch)}`);
      }
      assert.is(gpu.memory().liveBytes, before, 'device memory is leaked');
    });
  }
}

/**
 * f32 within the kernels may be off by twice as much as on normal inputs: rounded ones of mean 1000 have gaps of
 * ½. The tiles of GPUs hold weights as f16 too, which is an error for each product; it grows as other roundings
 * do, and turns the sign of some results near 0, and so the slope of a rectifier.
 */
function toleranceOf({ tolerance }: AnyOpRow, { profile }: Gpu): AnyOpRow['tolerance'] {
  const { forward, backward } = tolerance;
  const [output, gradients] = profile.kind === 'gpu' ? [2 ** -10, 2 ** -6] : [0, 0];
  return {
    forward: { atol: 2 * forward.atol + output, rtol: 2 * forward.rtol },
    backward: { atol: backward.atol + gradients, rtol: backward.rtol },
  };
}

const isInRange = (value: number): boolean =>
  Number.isFinite(halfBitsToFloat32(float32ToHalfBits(value)));

/** Whether inputs, output and gradients of a sample are in the range of f16. */
function fits(sample: OpCase): boolean {
  const output = sample.forward(sample.inputs);
  const ones = hostArray(output.shape, new Float64Array(output.data.length).fill(4));
  const gradients = sample.backward(sample.inputs, ones);
  return [...sample.inputs, output, ...gradients].every(
    (array) => array?.data.every(isInRange) ?? true,
  );
}
