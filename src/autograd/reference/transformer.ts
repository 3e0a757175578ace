/** Attention's parts and layer norm in double precision. */
import { type HostArray, hostArray } from '../registry/row.ts';
import { sizeOf } from '../tensor.ts';

/** Extents of tokens `[N,C,…]` in heads. */
function tokensOf({ shape }: HostArray, heads: number) {
  const [batch, channels] = shape;
  return { groups: batch * heads, depth: channels / heads, count: sizeOf(shape.slice(2)) };
}

/** y[g,i,j] = factor·Σ_d a[g,d,i]·b[g,d,j]. */
export function tokenSimilarityReference(
  a: HostArray,
  b: HostArray,
  heads: number,
  factor: number,
): HostArray {
  const { groups, depth, count: rows } = tokensOf(a, heads);
  const { count: columns } = tokensOf(b, heads);
  const y = hostArray([groups, rows, columns]);
  for (let g = 0; g < groups; g++) {
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        let sum = 0;
        for (let d = 0; d < depth; d++) {
          const channel = g * depth + d;
          sum += a.data[channel * rows + i] * b.data[channel * columns + j];
        }
        y.data[(g * rows + i) * columns + j] = factor * sum;
      }
    }
  }
  return y;
}

/** Its gradients, by spreading each cotangent over the products that it came from. */
export function tokenSimilarityGradientReference(
  a: HostArray,
  b: HostArray,
  heads: number,
  factor: number,
  dy: HostArray,
): [HostArray, HostArray] {
  const { depth, count: rows } = tokensOf(a, heads);
  const { count: columns } = tokensOf(b, heads);
  const da = hostArray(a.shape);
  const db = hostArray(b.shape);
  dy.data.forEach((cotangent, index) => {
    const g = Math.floor(index / (rows * columns));
    const i = Math.floor(index / columns) % rows;
    const j = index % columns;
    for (let d = 0; d < depth; d++) {
      const atA = (g * depth + d) * rows + i;
      const atB = (g * depth + d) * columns + j;
      da.data[atA] += factor * cotangent * b.data[atB];
      db.data[atB] += factor * cotangent * a.data[atA];
    }
  });
  return [da, db];
}

/** Calls `visit` with the places of every term of mixTokens: in the weights, in x, and in y. */
function forEachMixed(
  x: HostArray,
  heads: number,
  visit: (weight: number, from: number, to: number) => void,
): void {
  const { groups, depth, count } = tokensOf(x, heads);
  for (let g = 0; g < groups; g++) {
    for (let d = 0; d < depth; d++) {
      const channel = (g * depth + d) * count;
      for (let i = 0; i < count; i++) {
        for (let j = 0; j < count; j++) {
          visit((g * count + i) * count + j, channel + j, channel + i);
        }
      }
    }
  }
}

/** y[g,d,i] = Σ_j weights[g,i,j]·x[g,d,j]. */
export function mixTokensReference(weights: HostArray, x: HostArray, heads: number): HostArray {
  const y = hostArray(x.shape);
  forEachMixed(x, heads, (weight, from, to) => {
    y.data[to] += weights.data[weight] * x.data[from];
  });
  return y;
}

export function mixTokensGradientReference(
  weights: HostArray,
  x: HostArray,
  heads: number,
  dy: HostArray,
): [HostArray, HostArray] {
  const dWeights = hostArray(weights.shape);
  const dx = hostArray(x.shape);
  forEachMixed(x, heads, (weight, from, to) => {
    dWeights.data[weight] += dy.data[to] * x.data[from];
    dx.data[from] += dy.data[to] * weights.data[weight];
  });
  return [dWeights, dx];
}

/** e^x / Σ e^x along the last axis. */
export function softmaxReference(x: HostArray): HostArray {
  const length = x.shape.at(-1) ?? 1;
  const y = hostArray(x.shape);
  for (let start = 0; start < x.data.length; start += length) {
    const row = x.data.subarray(start, start + length);
    const largest = row.reduce((most, value) => Math.max(most, value), -Infinity);
    const total = row.reduce((sum, value) => sum + Math.exp(value - largest), 0);
    row.forEach((value, i) => {
      y.data[start + i] = Math.exp(value - largest) / total;
    });
  }
  return y;
}

/** Its gradient by the full Jacobian ∂y_j/∂x_i = y_j·([i=j] - y_i). */
export function softmaxGradientReference(x: HostArray, dy: HostArray): HostArray {
  const length = x.shape.at(-1) ?? 1;
  const y = softmaxReference(x);
  const dx = hostArray(x.shape);
  for (let start = 0; start < x.data.length; start += length) {
    for (let i = start; i < start + length; i++) {
      for (let j = start; j < start + length; j++) {
        dx.data[i] += dy.data[j] * y.data[j] * ((i === j ? 1 : 0) - y.data[i]);
      }
    }
  }
  return dx;
}

/** Calls `visit` with the elements of every position's channels, their mean and 1/sqrt(variance + ε). */
function forEachPosition(
  x: HostArray,
  epsilon: number,
  visit: (elements: readonly number[], mean: number, inverse: number) => void,
): void {
  const [batch, channels] = x.shape;
  const positions = sizeOf(x.shape.slice(2));
  for (let n = 0; n < batch; n++) {
    for (let p = 0; p < positions; p++) {
      const elements = Array.from(
        { length: channels },
        (_, c) => (n * channels + c) * positions + p,
      );
      const mean = elements.reduce((sum, i) => sum + x.data[i], 0) / channels;
      const variance = elements.reduce((sum, i) => sum + (x.data[i] - mean) ** 2, 0) / channels;
      visit(elements, mean, 1 / Math.sqrt(variance + epsilon));
    }
  }
}

/** γ·(x - mean)/sqrt(variance + ε) + β over channels. @param inputs x, γ, β */
export function layerNormReference(inputs: readonly HostArray[], epsilon: number): HostArray {
  const [x, scale, shift] = inputs;
  const y = hostArray(x.shape);
  forEachPosition(x, epsilon, (elements, mean, inverse) => {
    elements.forEach((i, c) => {
      y.data[i] = scale.data[c] * (x.data[i] - mean) * inverse + shift.data[c];
    });
  });
  return y;
}

/** Its gradients, from the chain rule over mean and variance. */
export function layerNormGradientReference(
  inputs: readonly HostArray[],
  epsilon: number,
  dy: HostArray,
): HostArray[] {
  const [x, scale, shift] = inputs;
  const dx = hostArray(x.shape);
  const dScale = hostArray(scale.shape);
  const dShift = hostArray(shift.shape);
  forEachPosition(x, epsilon, (elements, mean, inverse) => {
    let dMean = 0;
    let dInverse = 0;
    elements.forEach((i, c) => {
      const g = dy.data[i] * scale.data[c];
      dShift.data[c] += dy.data[i];
      dScale.data[c] += dy.data[i] * (x.data[i] - mean) * inverse;
      dx.data[i] = g * inverse;
      dMean -= g * inverse;
      dInverse += g * (x.data[i] - mean);
    });
    const dVariance = -0.5 * inverse ** 3 * dInverse;
    for (const i of elements) {
      dx.data[i] += (dMean + dVariance * 2 * (x.data[i] - mean)) / elements.length;
    }
  });
  return [dx, dScale, dShift];
}

/** erfc(z) for z ≥ 0: the series of erf up to 2.5, beyond it Laplace's continued fraction. */
function complementaryError(z: number): number {
  if (z < 2.5) {
    let term = z;
    let sum = z;
    for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
      term *= (-z * z) / n;
      sum += term / (2 * n + 1);
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = z;
  for (let n = 60; n > 0; n--) fraction = z + n / 2 / fraction;
  return Math.exp(-z * z) / (Math.sqrt(Math.PI) * fraction);
}

/** Φ(x), the share of a normal distribution below x. */
export function normalDistribution(x: number): number {
  const tail = complementaryError(Math.abs(x) / Math.SQRT2) / 2;
  return x < 0 ? tail : 1 - tail;
}

/** d(x·Φ(x))/dx. */
export function geluSlope(x: number): number {
  return normalDistribution(x) + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}
