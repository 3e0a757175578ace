import {
  type LpipsTapSpec,
  lpipsTapBackward,
  lpipsTapForward,
  lpipsTapStarts,
  lpipsTotal,
} from '../../../kernels/lpips.ts';
import { ShapeError } from '../../errors.ts';
import { attach } from '../tape.ts';
import { emptyLike, emptyTensor, formatShape, runKernel, type Tensor } from '../tensor.ts';
import { requireImage, requireSameShape } from './check.ts';

/** The features of two images behind one layer of a trunk. */
export interface LpipsTap {
  /** `[N,C,H,W]` */
  readonly first: Tensor;
  readonly second: Tensor;
  /** `[C]`, no gradient. */
  readonly weights: Tensor;
}

/**
 * One tap of LPIPS: mean over pixels of Σ_c w_c (f̂₀-f̂₁)², f̂ = f/(√Σ_c f² + 1e-10).
 * @param first, second features `[N,C,H,W]`
 * @param weights `[C]`, no gradient
 * @returns distances `[N]`
 * @throws ShapeError if shapes do not fit
 */
export function lpipsDistance(first: Tensor, second: Tensor, weights: Tensor): Tensor {
  return lpipsDistances([{ first, second, weights }]);
}

/**
 * The distances of several taps, added: LPIPS. One dispatch a tap, and one for all sums.
 * @returns distances `[N]`
 * @throws ShapeError if there are no taps, their batches differ, or shapes do not fit
 */
export function lpipsDistances(taps: readonly LpipsTap[]): Tensor {
  const specs = taps.map(specOf);
  if (!taps.length || specs.some(({ batch }) => batch !== specs[0].batch)) {
    const found = taps.map(({ first }) => formatShape(first.shape)).join(', ') || 'none';
    throw new ShapeError(`lpipsDistances needs taps of one batch, found ${found}`);
  }
  const { gpu } = taps[0].first;
  const starts = lpipsTapStarts(specs);
  const maps = emptyTensor(gpu, [starts[taps.length]]);
  for (const [k, { first, second, weights }] of taps.entries()) {
    runKernel(lpipsTapForward(specs[k], gpu.profile, starts[k]), [first, second, weights, maps]);
  }
  const distance = emptyTensor(gpu, [specs[0].batch]);
  runKernel(lpipsTotal(specs, gpu.profile), [maps, distance]);
  const inputs = taps.flatMap(({ first, second }) => [first, second]);
  return attach(distance, 'lpips_distance', inputs, (cotangent) =>
    taps.flatMap(({ first, second, weights }, k) => {
      const gradient = (other: Tensor, of: Tensor) => (): Tensor => {
        const result = emptyLike(of);
        runKernel(lpipsTapBackward(specs[k], gpu.profile), [other, of, weights, cotangent, result]);
        return result;
      };
      return [gradient(second, first), gradient(first, second)];
    }),
  );
}

function specOf({ first, second, weights }: LpipsTap): LpipsTapSpec {
  requireSameShape('lpipsDistance', first, second);
  const { batch, channels, height, width } = requireImage('lpipsDistance', first);
  if (weights.shape.length !== 1 || weights.shape[0] !== channels) {
    throw new ShapeError(
      `lpipsDistance: expected ${channels} weights, found ${formatShape(weights.shape)}`,
    );
  }
  return { batch, channels, pixels: height * width };
}
