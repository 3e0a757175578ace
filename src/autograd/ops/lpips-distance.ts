import { type LpipsTapSpec, lpipsTapBackward, lpipsTapForward } from '../../../kernels/lpips.ts';
import { reduceRows } from '../../../kernels/reduce.ts';
import { ShapeError } from '../../errors.ts';
import { attach } from '../tape.ts';
import { emptyTensor, formatShape, runKernel, runPlan, type Tensor } from '../tensor.ts';
import { requireImage, requireSameShape } from './check.ts';

/**
 * One tap of LPIPS: mean over pixels of Σ_c w_c (f̂₀-f̂₁)², f̂ = f/(√Σ_c f² + 1e-10).
 * @param first, second features `[N,C,H,W]`
 * @param weights `[C]`, no gradient
 * @returns distances `[N]`
 * @throws ShapeError if shapes do not fit
 */
export function lpipsDistance(first: Tensor, second: Tensor, weights: Tensor): Tensor {
  requireSameShape('lpipsDistance', first, second);
  const { batch, channels, height, width } = requireImage('lpipsDistance', first);
  if (weights.shape.length !== 1 || weights.shape[0] !== channels) {
    throw new ShapeError(
      `lpipsDistance: expected ${channels} weights, found ${formatShape(weights.shape)}`,
    );
  }
  const { gpu } = first;
  const spec: LpipsTapSpec = { batch, channels, pixels: height * width };
  const map = emptyTensor(gpu, [batch, spec.pixels]);
  runKernel(lpipsTapForward(spec), [first, second, weights, map]);
  const distance = emptyTensor(gpu, [batch]);
  const mean = {
    term: { name: 'identity', second: 'none' },
    rows: batch,
    length: spec.pixels,
    factor: 1 / spec.pixels,
  } as const;
  runPlan(reduceRows(mean, gpu.profile), [map], [distance]);
  const gradient = (other: Tensor, of: Tensor, cotangent: Tensor): Tensor => {
    const result = emptyTensor(gpu, of.shape);
    runKernel(lpipsTapBackward(spec), [other, of, weights, cotangent, result]);
    return result;
  };
  return attach(distance, 'lpips_distance', [first, second], (cotangent) => [
    () => gradient(second, first, cotangent),
    () => gradient(first, second, cotangent),
  ]);
}
