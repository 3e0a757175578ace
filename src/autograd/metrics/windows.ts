/** One dimension of a separable window whose weights add up to one. */
export type WindowTaps = readonly number[];

/** Equal weights. */
export function uniformWindow(size: number): WindowTaps {
  return Array.from({ length: size }, () => 1 / size);
}

/**
 * exp(-i²/2σ²) / Σ, i = -size/2 … size/2, for an odd size. `f32` rounds every intermediate result to
 * single precision, as pytorch-msssim's window is built; `f64` only the result, on the device.
 */
export function gaussianWindow(size: number, sigma: number, precision: 'f32' | 'f64'): WindowTaps {
  const round = precision === 'f32' ? Math.fround : (value: number): number => value;
  const centre = (size - 1) / 2;
  const bells = Array.from({ length: size }, (_, i) =>
    round(Math.exp(round(-((i - centre) ** 2) / round(2 * sigma * sigma)))),
  );
  const total = round(bells.reduce((sum, bell) => sum + bell, 0));
  return bells.map((bell) => round(bell / total));
}
