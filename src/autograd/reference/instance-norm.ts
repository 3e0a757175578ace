import type { Activation } from '../../../kernels/activation.ts';
import { type HostArray, hostArray } from '../registry/row.ts';
import { activationSlope, activationValue } from './activations.ts';

interface Attributes {
  readonly epsilon: number;
  readonly activation: Activation;
}

/** Calls `visit` with each plane's offset, length, mean and 1/sqrt(variance + ε). */
function forEachPlane(
  x: HostArray,
  epsilon: number,
  visit: (start: number, pixels: number, mean: number, inverse: number) => void,
): void {
  const pixels = x.shape[2] * x.shape[3];
  for (let start = 0; start < x.data.length; start += pixels) {
    const plane = x.data.subarray(start, start + pixels);
    const mean = plane.reduce((sum, value) => sum + value, 0) / pixels;
    const variance = plane.reduce((sum, value) => sum + (value - mean) ** 2, 0) / pixels;
    visit(start, pixels, mean, 1 / Math.sqrt(variance + epsilon));
  }
}

/** f((x - mean)/sqrt(variance + ε)) of every plane. */
export function instanceNormReference(x: HostArray, attributes: Attributes): HostArray {
  const y = hostArray(x.shape);
  forEachPlane(x, attributes.epsilon, (start, pixels, mean, inverse) => {
    for (let i = start; i < start + pixels; i++) {
      y.data[i] = activationValue(attributes.activation, (x.data[i] - mean) * inverse);
    }
  });
  return y;
}

/** Its gradient, from the chain rule over mean and variance. */
export function instanceNormGradientReference(
  x: HostArray,
  attributes: Attributes,
  dy: HostArray,
): HostArray {
  const dx = hostArray(x.shape);
  forEachPlane(x, attributes.epsilon, (start, pixels, mean, inverse) => {
    let dMean = 0;
    let dInverse = 0;
    for (let i = start; i < start + pixels; i++) {
      const centred = x.data[i] - mean;
      const g = dy.data[i] * activationSlope(attributes.activation, centred * inverse);
      dx.data[i] = g * inverse;
      dMean -= g * inverse;
      dInverse += g * centred;
    }
    const dVariance = -0.5 * inverse ** 3 * dInverse;
    for (let i = start; i < start + pixels; i++) {
      dx.data[i] += dMean / pixels + (dVariance * 2 * (x.data[i] - mean)) / pixels;
    }
  });
  return dx;
}
