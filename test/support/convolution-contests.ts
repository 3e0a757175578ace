import * as assert from 'uvu/assert';
import { NO_EPILOGUE } from '../../kernels/conv2d/epilogue.ts';
import type { ConvGeometry } from '../../kernels/conv2d/geometry.ts';
import { GRADIENT_WAYS } from '../../kernels/conv2d/gradient-ways.ts';
import { contestOf } from '../../src/autograd/tuning/contests.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { Tuner } from '../../src/gpu/tuning/tuner.ts';

/** A convolution of square images with a square kernel, padding 1. */
export function squareGeometry(
  batch: number,
  inChannels: number,
  size: number,
  outChannels: number,
  kernel = 3,
  stride = 1,
): ConvGeometry {
  const square = { height: size, width: size, kernelHeight: kernel, kernelWidth: kernel };
  return { batch, inChannels, outChannels, ...square, stride, padding: 1, paddingMode: 'zeros' };
}

/** Has the tuner check every variant of all passes against the default; nothing may be struck off. */
export async function assertVariantsAgree(
  gpu: Gpu,
  geometries: readonly ConvGeometry[],
): Promise<void> {
  for (const geometry of geometries) {
    const passes = ['forward', 'data-gradient', 'weight-gradient'] as const;
    const contests = passes.map((pass) => {
      const request = {
        pass,
        geometry,
        epilogue: NO_EPILOGUE,
        gradients: GRADIENT_WAYS,
      };
      return contestOf(pass, request, 1, gpu.profile);
    });
    const tuner = new Tuner(gpu, {
      budget: 600_000,
      log: assert.unreachable,
      // Only the check matters.
      stopwatch: async () => 1e3,
    });
    const { verdicts, left } = await tuner.run(contests);
    assert.equal(left, []);
    for (const { shapeClass, variants } of contests) {
      const verdict = verdicts.get(shapeClass);
      assert.equal(verdict?.struckOff, {});
      const names = variants.map(({ name }) => name);
      assert.equal(Object.keys(verdict?.milliseconds ?? {}), names.length > 1 ? names : []);
    }
  }
}
