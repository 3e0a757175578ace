import { noGrad } from '../autograd/tape.ts';
import { type Tensor, tensorFrom } from '../autograd/tensor.ts';
import type { PairLoader } from '../data/loader.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Enhancer } from '../methods/method.ts';
import type { HostMetric } from '../metrics/metrics.ts';
import type { PerceptualDistance } from '../nn/perceptual/perceptual-distance.ts';
import { requireFinite } from './enhance-image.ts';

/** Scores by metric name. */
export type Scores = Readonly<Record<string, number>>;

/** Scores of one held-out pair. */
export interface PairScores {
  readonly name: string;
  readonly organ: string;
  /** Enhanced against high. */
  readonly enhanced: Scores;
  /** Low against high: what doing nothing scores. */
  readonly reference: Scores;
}

export interface EvaluationOptions {
  readonly metrics: readonly HostMetric[];
  readonly perceptual: readonly PerceptualDistance[];
  /** Called with every pair's images in [0,1], row-major. */
  readonly onImages?: (images: EvaluatedImages) => void;
}

export interface EvaluatedImages {
  readonly name: string;
  readonly organ: string;
  readonly size: number;
  readonly low: Float32Array;
  readonly enhanced: Float32Array;
  readonly high: Float32Array;
}

/**
 * Enhances every pair of a loader and scores it against the high-quality image, beside the low one
 * unchanged ("reference low"). Metrics are per image on [0,1] floats (x+1)/2, not rounded to 8 bits.
 * @throws NumericalError if an enhanced image is not finite
 */
export async function evaluatePairs(
  gpu: Gpu,
  method: Enhancer,
  loader: PairLoader,
  options: EvaluationOptions,
): Promise<PairScores[]> {
  const results: PairScores[] = [];
  for await (const batch of loader.epoch(0)) {
    const { low, enhanced, high, distances } = gpu.scope(() =>
      noGrad(() => {
        const lowTensor = tensorFrom(gpu, batch.low, batch.shape);
        const highTensor = tensorFrom(gpu, batch.high, batch.shape);
        const enhancedTensor = method.enhance(lowTensor);
        return {
          low: lowTensor,
          enhanced: enhancedTensor,
          high: highTensor,
          distances: options.perceptual.map((distance) =>
            distancesOf(distance, lowTensor, enhancedTensor, highTensor),
          ),
        };
      }),
    );
    const output = await enhanced.read();
    requireFinite(output);
    const perceptual: { label: string; reference: Float32Array; enhanced: Float32Array }[] = [];
    for (const [index, distance] of options.perceptual.entries()) {
      const pair = distances[index];
      perceptual.push({
        label: metricName(distance),
        reference: await pair.reference.read(),
        enhanced: await pair.enhanced.read(),
      });
      pair.reference.dispose();
      pair.enhanced.dispose();
    }
    for (const tensor of [low, enhanced, high]) tensor.dispose();
    const [count, , size] = batch.shape;
    for (let item = 0; item < count; item++) {
      const cut = (values: Float32Array): Float32Array =>
        unitRange(values.subarray(item * size * size, (item + 1) * size * size));
      const images = {
        name: batch.names[item],
        organ: batch.organs[item],
        size,
        low: cut(batch.low),
        enhanced: cut(output),
        high: cut(batch.high),
      };
      options.onImages?.(images);
      const reference: Record<string, number> = {};
      const scores: Record<string, number> = {};
      for (const metric of options.metrics) {
        reference[metric.name] = metric.compute(images.low, images.high, size, size);
        scores[metric.name] = metric.compute(images.enhanced, images.high, size, size);
      }
      for (const distance of perceptual) {
        reference[distance.label] = distance.reference[item];
        scores[distance.label] = distance.enhanced[item];
      }
      results.push({ name: images.name, organ: images.organ, enhanced: scores, reference });
    }
  }
  return results;
}

/** Metric name of a perceptual distance: `lpips_alex`, …, `random_features`. */
export function metricName(distance: PerceptualDistance): string {
  return distance.label.toLowerCase().replaceAll('-', '_');
}

/** Mean of every metric over pairs. */
export function averageScores(
  pairs: readonly PairScores[],
  which: 'enhanced' | 'reference',
): Scores {
  const sums: Record<string, number> = {};
  for (const pair of pairs) {
    for (const [name, value] of Object.entries(pair[which])) {
      sums[name] = (sums[name] ?? 0) + value;
    }
  }
  for (const name of Object.keys(sums)) sums[name] /= pairs.length;
  return sums;
}

function distancesOf(
  distance: PerceptualDistance,
  low: Tensor,
  enhanced: Tensor,
  high: Tensor,
): { reference: Tensor; enhanced: Tensor } {
  const features = distance.features(high);
  return {
    reference: distance.distance(distance.features(low), features),
    enhanced: distance.distance(distance.features(enhanced), features),
  };
}

/** (x+1)/2 clamped to [0,1]; tanh may exceed it by rounding only. */
function unitRange(values: Float32Array): Float32Array {
  return values.map((value) => Math.min(1, Math.max(0, (value + 1) / 2)));
}
