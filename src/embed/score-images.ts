import { DataError, UsageError } from '../errors.ts';
import { DEFAULT_HOST_METRICS, metricNamed } from '../metrics/metrics.ts';
import { grayFrom, type ImageInput } from './image-input.ts';

/**
 * Scores an image against the reference of the same view, computed in double precision on the host.
 * @param names of metrics with a host reference (`HOST_METRICS`); default PSNR, SSIM and both LNCC
 * @returns score by name
 * @throws DataError if the sizes differ; UsageError for an unknown metric or one of deep features;
 *   ShapeError if the image is smaller than a metric's window
 */
export function scoreImages(
  image: ImageInput,
  reference: ImageInput,
  names: readonly string[] = DEFAULT_HOST_METRICS,
): Record<string, number> {
  const a = grayFrom(image);
  const b = grayFrom(reference);
  if (a.width !== b.width || a.height !== b.height) {
    throw new DataError(
      `images to compare: ${a.width}x${a.height} and ${b.width}x${b.height} differ in size`,
    );
  }
  const scores: Record<string, number> = {};
  for (const name of names) {
    const metric = metricNamed(name);
    if (metric.kind !== 'host') {
      throw new UsageError(`metric ${name} needs a trunk on the device: use PerceptualDistance`);
    }
    scores[name] = metric.compute(a.data, b.data, a.height, a.width);
  }
  return scores;
}
