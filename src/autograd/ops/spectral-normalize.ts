import { spectralNormForward } from '../../../kernels/spectral-norm.ts';
import { spectralNormBackward } from '../../../kernels/spectral-norm-gradient.ts';
import type { SpectralNormShape } from '../../../kernels/spectral-norm-layout.ts';
import { ShapeError } from '../../errors.ts';
import { attach } from '../tape.ts';
import { emptyTensor, formatShape, runPlan, type Tensor } from '../tensor.ts';

export interface SpectralNormOptions {
  /** Whether one power iteration renews u and v first (a forward in training mode). */
  readonly update: boolean;
  /** Axis of the output channels: 0 for OIHW (default), 1 for IOHW. */
  readonly outputAxis?: 0 | 1;
  /** Least length to divide by when normalising u and v; default 1e-12. */
  readonly epsilon?: number;
}

/**
 * The matrix that a weight stands for.
 * @throws ShapeError if u or v do not fit
 */
function matrixOf(weight: Tensor, u: Tensor, v: Tensor, outputAxis: 0 | 1): SpectralNormShape {
  const { shape } = weight;
  const rows = shape[outputAxis];
  if (shape.length < 2 || u.size !== rows || v.size * rows !== weight.size) {
    const rest = rows ? weight.size / rows : 0;
    throw new ShapeError(
      `spectralNormalize: weight ${formatShape(shape)} with output axis ${outputAxis} needs u [${rows ?? '?'}] and v [${rest}], found ${formatShape(u.shape)} and ${formatShape(v.shape)}`,
    );
  }
  const blocks = outputAxis === 0 ? 1 : shape[0];
  return { rows, blocks, inner: weight.size / (rows * blocks) };
}

/**
 * Spectral normalisation, W/σ with σ = uᵀMv, where M is `weight` as a matrix of one row per output
 * channel. With `update`, v ← n(Mᵀu) then u ← n(Mv), n(z) = z/max(‖z‖, ε), once and without
 * gradient; the tensors `u` and `v` are overwritten.
 *
 * σ is differentiated, u and v are constants: ∂L/∂W = (G − ⟨G, W/σ⟩·u vᵀ)/σ. Each call keeps its own
 * u, v and σ for its backward, so several forwards may precede it.
 *
 * @param weight OIHW, or IOHW with `outputAxis` 1
 * @param u `[O]`
 * @param v `[I·KH·KW]`
 * @throws ShapeError if u or v do not fit
 * Source: Miyato et al., ICLR 2018; `torch/nn/utils/spectral_norm.py`.
 */
export function spectralNormalize(
  weight: Tensor,
  u: Tensor,
  v: Tensor,
  options: SpectralNormOptions,
): Tensor {
  const { update, outputAxis = 0, epsilon = 1e-12 } = options;
  const { gpu } = weight;
  const shape = matrixOf(weight, u, v, outputAxis);
  const y = emptyTensor(gpu, weight.shape);
  const savedU = emptyTensor(gpu, u.shape);
  const savedV = emptyTensor(gpu, v.shape);
  const sigma = emptyTensor(gpu, [1]);
  const outputs = [y, savedU, savedV, sigma];
  runPlan(
    spectralNormForward(shape, { update, epsilon }, gpu.profile),
    [weight, u, v],
    update ? [...outputs, u, v] : outputs,
  );
  return attach(y, 'spectral_normalize', [weight], (dy) => [
    (target) => {
      const gradient = target?.tensor ?? emptyTensor(gpu, weight.shape);
      runPlan(
        spectralNormBackward(shape, target?.filled ?? false, gpu.profile),
        [dy, y, savedU, savedV, sigma],
        [gradient],
      );
      return gradient;
    },
  ]);
}
