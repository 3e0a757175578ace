import { type HostArray, hostArray } from '../registry/row.ts';

/** Offset of element (row, column) of the matrix that a weight stands for. */
function offsets(
  shape: readonly number[],
  outputAxis: 0 | 1,
): (row: number, column: number) => number {
  const rows = shape[outputAxis];
  let taps = 1;
  for (const extent of shape.slice(2)) taps *= extent;
  return (row, column) => {
    const channel = Math.floor(column / taps);
    const tap = column % taps;
    return outputAxis === 0
      ? (row * shape[1] + channel) * taps + tap
      : (channel * rows + row) * taps + tap;
  };
}

function normalise(z: Float64Array, epsilon: number): Float64Array {
  const length = Math.sqrt(z.reduce((sum, value) => sum + value * value, 0));
  return z.map((value) => value / Math.max(length, epsilon));
}

/** One power iteration in double precision: v ← n(Mᵀu), then u ← n(Mv). */
export function powerIteration(
  weight: HostArray,
  u: HostArray,
  outputAxis: 0 | 1,
  epsilon = 1e-12,
): { u: HostArray; v: HostArray } {
  const rows = weight.shape[outputAxis];
  const columns = weight.data.length / rows;
  const at = offsets(weight.shape, outputAxis);
  const z = new Float64Array(columns);
  for (let c = 0; c < columns; c++) {
    for (let r = 0; r < rows; r++) z[c] += weight.data[at(r, c)] * u.data[r];
  }
  const v = normalise(z, epsilon);
  const p = new Float64Array(rows);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) p[r] += weight.data[at(r, c)] * v[c];
  }
  return { u: hostArray([rows], normalise(p, epsilon)), v: hostArray([columns], v) };
}

/** σ = uᵀMv. */
function sigmaOf(weight: HostArray, u: HostArray, v: HostArray, outputAxis: 0 | 1): number {
  const at = offsets(weight.shape, outputAxis);
  let sigma = 0;
  u.data.forEach((left, r) => {
    v.data.forEach((right, c) => {
      sigma += left * weight.data[at(r, c)] * right;
    });
  });
  return sigma;
}

/** W/σ in double precision, with u and v as they are. */
export function spectralNormalizeForward(
  weight: HostArray,
  u: HostArray,
  v: HostArray,
  outputAxis: 0 | 1,
): HostArray {
  const sigma = sigmaOf(weight, u, v, outputAxis);
  return hostArray(
    weight.shape,
    weight.data.map((value) => value / sigma),
  );
}

/**
 * Gradient of the weight by the quotient rule: with y = W·s, s = 1/σ, and ∂σ/∂W = u vᵀ,
 * ∂L/∂W = g·s − (Σ g·W)·s²·u vᵀ.
 */
export function spectralNormalizeBackward(
  weight: HostArray,
  u: HostArray,
  v: HostArray,
  outputAxis: 0 | 1,
  cotangent: HostArray,
): HostArray {
  const at = offsets(weight.shape, outputAxis);
  const s = 1 / sigmaOf(weight, u, v, outputAxis);
  let slope = 0;
  weight.data.forEach((value, i) => {
    slope -= cotangent.data[i] * value * s * s;
  });
  const gradient = hostArray(weight.shape);
  for (let r = 0; r < u.data.length; r++) {
    for (let c = 0; c < v.data.length; c++) {
      const i = at(r, c);
      gradient.data[i] = cotangent.data[i] * s + slope * u.data[r] * v.data[c];
    }
  }
  return gradient;
}
