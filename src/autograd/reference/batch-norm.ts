import { type HostArray, hostArray } from '../registry/row.ts';

export interface BatchNormAttributes {
  readonly training: boolean;
  readonly epsilon: number;
}

/** Calls `visit` with every element of a channel. */
function forEachOf(x: HostArray, channel: number, visit: (i: number) => void): void {
  const [batch, channels, height, width] = x.shape;
  const pixels = height * width;
  for (let n = 0; n < batch; n++) {
    const start = (n * channels + channel) * pixels;
    for (let i = start; i < start + pixels; i++) visit(i);
  }
}

/** Mean and biased variance of a channel over batch and pixels, and how many values it has. */
export function channelMoments(
  x: HostArray,
  channel: number,
): { mean: number; variance: number; count: number } {
  let count = 0;
  let mean = 0;
  forEachOf(x, channel, (i) => {
    count++;
    mean += x.data[i];
  });
  mean /= count;
  let variance = 0;
  forEachOf(x, channel, (i) => {
    variance += (x.data[i] - mean) ** 2;
  });
  return { mean, variance: variance / count, count };
}

function momentsOf(inputs: readonly HostArray[], channel: number, training: boolean) {
  const [x, , , runningMean, runningVariance] = inputs;
  if (training) return channelMoments(x, channel);
  return { mean: runningMean.data[channel], variance: runningVariance.data[channel], count: 0 };
}

/** γ·(x - mean)/sqrt(variance + ε) + β. @param inputs x, γ, β, running mean, running variance */
export function batchNormReference(
  inputs: readonly HostArray[],
  { training, epsilon }: BatchNormAttributes,
): HostArray {
  const [x, weight, bias] = inputs;
  const y = hostArray(x.shape);
  weight.data.forEach((scale, channel) => {
    const { mean, variance } = momentsOf(inputs, channel, training);
    forEachOf(x, channel, (i) => {
      y.data[i] = (scale * (x.data[i] - mean)) / Math.sqrt(variance + epsilon) + bias.data[channel];
    });
  });
  return y;
}

/** Its gradients for x, γ and β, from the chain rule over mean and variance. */
export function batchNormGradientReference(
  inputs: readonly HostArray[],
  { training, epsilon }: BatchNormAttributes,
  dy: HostArray,
): HostArray[] {
  const [x, weight] = inputs;
  const dx = hostArray(x.shape);
  const dWeight = hostArray(weight.shape);
  const dBias = hostArray(weight.shape);
  weight.data.forEach((scale, channel) => {
    const { mean, variance, count } = momentsOf(inputs, channel, training);
    const inverse = 1 / Math.sqrt(variance + epsilon);
    let dMean = 0;
    let dInverse = 0;
    forEachOf(x, channel, (i) => {
      const centred = x.data[i] - mean;
      dBias.data[channel] += dy.data[i];
      dWeight.data[channel] += dy.data[i] * centred * inverse;
      dx.data[i] = dy.data[i] * scale * inverse;
      dMean -= dy.data[i] * scale * inverse;
      dInverse += dy.data[i] * scale * centred;
    });
    if (!training) return;
    const dVariance = -0.5 * inverse ** 3 * dInverse;
    forEachOf(x, channel, (i) => {
      dx.data[i] += dMean / count + (dVariance * 2 * (x.data[i] - mean)) / count;
    });
  });
  return [dx, dWeight, dBias];
}
