import { join } from 'node:path';
import { readImage } from '../../data/image.node.ts';
import type { GrayImage } from '../../data/image.ts';
import { folderSource } from '../../data/layout.node.ts';
import { PairLoader } from '../../data/loader.ts';
import { selectPairs } from '../../data/pairs.ts';
import { DataError } from '../../errors.ts';
import type { DoneJob, HeldOutImage } from './collect.ts';
import { jobPaths } from './job-folder.ts';
import type { JobList } from './jobs.ts';
import type { BenchmarkPlan, Entry } from './options.ts';

/** One held-out image as the low-end device, every system and the high-end device show it. */
export interface ShownImage extends HeldOutImage {
  readonly low: GrayImage;
  /** In the order of the systems. */
  readonly enhanced: readonly GrayImage[];
  readonly high: GrayImage;
}

/**
 * Reads the pictures of a held-out image: what the first seed and split that held it out made of it.
 * @throws DataError if a picture is missing or of another size
 */
export async function readShownImage(
  image: HeldOutImage,
  systems: readonly Entry[],
  done: readonly DoneJob[],
  { pairs }: JobList,
  plan: BenchmarkPlan,
): Promise<ShownImage> {
  const { organ, name } = image;
  const index = pairs.findIndex((pair) => pair.organ === organ && pair.name === name);
  const { size, fit } = plan;
  const loader = new PairLoader(selectPairs(folderSource(pairs), [index]), {
    ...{ batch: 1, size, fit, crops: 'centre' },
  });
  const batch = await loader.batch(0, 0);
  const unit = (values: Float32Array): GrayImage => ({
    width: size,
    height: size,
    data: values.map((value) => (value + 1) / 2),
  });
  const enhanced = systems.map(({ id }) => {
    const source = done.find(
      ({ job, scores }) =>
        job.entry.id === id &&
        scores.pairs.some((pair) => pair.organ === organ && pair.name === name),
    );
    if (!source) throw new DataError(`${id}: expected a job that held out ${organ}/${name}`);
    const path = join(jobPaths(source.job).evaluation, 'images', organ, `${name}.png`);
    const picture = readImage(path);
    if (picture.width !== size || picture.height !== size) {
      throw new DataError(
        `${path}: expected ${size}x${size}, found ${picture.width}x${picture.height}`,
      );
    }
    return picture;
  });
  return { organ, name, low: unit(batch.low), enhanced, high: unit(batch.high) };
}

/**
 * The image in the middle of a ranking by score: neither the best nor the worst case.
 * @param scores one number an image
 * @throws DataError of no image
 */
export function medianImage<Image>(images: readonly Image[], scores: readonly number[]): Image {
  const order = images.map((_, index) => index).sort((a, b) => scores[a] - scores[b] || a - b);
  const middle = order[Math.floor((order.length - 1) / 2)];
  if (middle === undefined) throw new DataError('expected held-out images, found none');
  return images[middle];
}

/** Takes turns among organs until there are enough, keeping the order within each. */
export function spreadOverOrgans<Image extends HeldOutImage>(
  images: readonly Image[],
  count: number,
): Image[] {
  const organs = new Map<string, Image[]>();
  for (const image of images) {
    const list = organs.get(image.organ);
    if (list) list.push(image);
    else organs.set(image.organ, [image]);
  }
  const chosen = new Set<Image>();
  for (let round = 0; chosen.size < Math.min(count, images.length); round++) {
    for (const list of organs.values()) {
      const image = list[round];
      if (image && chosen.size < count) chosen.add(image);
    }
  }
  return images.filter((image) => chosen.has(image));
}
