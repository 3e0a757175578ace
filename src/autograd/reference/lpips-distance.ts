import { type HostArray, hostArray } from '../registry/row.ts';

const EPSILON = 1e-10;

interface Pixel {
  /** Features of both images at this pixel. */
  readonly f: readonly [Float64Array, Float64Array];
  /** Their norms. */
  readonly norm: readonly [number, number];
  /** Normalised features. */
  readonly unit: readonly [Float64Array, Float64Array];
}

function pixelAt(f0: HostArray, f1: HostArray, n: number, p: number): Pixel {
  const [, channels, height, width] = f0.shape;
  const pixels = height * width;
  const column = ({ data }: HostArray): Float64Array =>
    Float64Array.from({ length: channels }, (_, c) => data[(n * channels + c) * pixels + p]);
  const f = [column(f0), column(f1)] as const;
  const norm = [Math.hypot(...f[0]), Math.hypot(...f[1])] as const;
  const divide = (which: 0 | 1): Float64Array =>
    f[which].map((value) => value / (norm[which] + EPSILON));
  return { f, norm, unit: [divide(0), divide(1)] };
}

/** One LPIPS tap in double precision: mean over pixels of Σ_c w_c (f̂₀-f̂₁)². */
export function lpipsDistanceForward(f0: HostArray, f1: HostArray, weights: HostArray): HostArray {
  const [batch, channels, height, width] = f0.shape;
  const pixels = height * width;
  const distances = hostArray([batch]);
  for (let n = 0; n < batch; n++) {
    for (let p = 0; p < pixels; p++) {
      const { unit } = pixelAt(f0, f1, n, p);
      for (let c = 0; c < channels; c++) {
        distances.data[n] += (weights.data[c] * (unit[0][c] - unit[1][c]) ** 2) / pixels;
      }
    }
  }
  return distances;
}

/**
 * Gradients of both features by the chain rule through f̂ = f/(r+ε), r = ‖f‖:
 * ∂f̂_k/∂f_c = [k=c]/(r+ε) - f_k f_c / (r (r+ε)²), whose second term is taken as 0 where r = 0.
 */
export function lpipsDistanceBackward(
  f0: HostArray,
  f1: HostArray,
  weights: HostArray,
  cotangent: HostArray,
): [HostArray, HostArray] {
  const [batch, channels, height, width] = f0.shape;
  const pixels = height * width;
  const gradients: [HostArray, HostArray] = [hostArray(f0.shape), hostArray(f1.shape)];
  for (let n = 0; n < batch; n++) {
    for (let p = 0; p < pixels; p++) {
      const { f, norm, unit } = pixelAt(f0, f1, n, p);
      for (const which of [0, 1] as const) {
        const slope = weights.data.map(
          (w, c) => (2 * w * (unit[which][c] - unit[1 - which][c]) * cotangent.data[n]) / pixels,
        );
        const length = norm[which] + EPSILON;
        let along = 0;
        for (let k = 0; k < channels; k++) along += slope[k] * f[which][k];
        const radial = norm[which] === 0 ? 0 : along / (norm[which] * length ** 2);
        for (let c = 0; c < channels; c++) {
          gradients[which].data[(n * channels + c) * pixels + p] =
            slope[c] / length - radial * f[which][c];
        }
      }
    }
  }
  return gradients;
}
