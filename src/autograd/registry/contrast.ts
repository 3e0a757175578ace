import { infoNce } from '../ops/info-nce.ts';
import { regionMean } from '../ops/region-mean.ts';
import { unitLength } from '../ops/unit-length.ts';
import type { RandomStream } from '../philox.ts';
import {
  infoNceGradientReference,
  infoNceReference,
  regionMeanGradientReference,
  regionMeanReference,
  unitLengthGradientReference,
  unitLengthReference,
} from '../reference/contrast.ts';
import { uploadRegions } from '../regions.ts';
import { type Shape, sizeOf } from '../tensor.ts';
import { type AnyOpRow, opRow, randomArray } from './row.ts';

interface Labelled {
  readonly labels: readonly number[];
  readonly count: number;
  /** Of the label map. */
  readonly height: number;
  readonly width: number;
}

/** Scattered labels; `missing` regions at the end stay without pixels. */
function labelled(
  random: RandomStream,
  [images, height, width]: readonly [number, number, number],
  count: number,
  missing = 0,
): Labelled {
  const labels = Array.from({ length: images * height * width }, () =>
    random.integer(count - missing),
  );
  return { labels, count, height, width };
}

const MEANS: readonly { x: Shape; count: number; missing: number }[] = [
  { x: [2, 3, 5, 7], count: 6, missing: 2 },
  { x: [1, 4, 8, 8], count: 16, missing: 0 },
  { x: [2, 1, 1, 1], count: 3, missing: 2 },
  { x: [3, 2, 4, 4], count: 1, missing: 0 },
  { x: [2, 8, 32, 32], count: 65, missing: 1 },
];

const VECTORS: readonly Shape[] = [
  [2, 5, 1, 7],
  [1, 64, 3, 3],
  [2, 1, 4],
  [2, 256, 1, 16],
];

const SQUARES: readonly { images: number; count: number; missing: number; scale: number }[] = [
  { images: 2, count: 5, missing: 2, scale: 2 },
  { images: 1, count: 1, missing: 0, scale: 1 },
  { images: 3, count: 16, missing: 0, scale: 5 },
  { images: 1, count: 67, missing: 3, scale: 14 },
];

export const CONTRAST_OPS: readonly AnyOpRow[] = [
  opRow<Labelled>({
    name: 'region_mean',
    formula: 'y[n,c,s] = mean of x[n,c] over region s of image n, 0 without pixels',
    samples: (random) =>
      MEANS.map(({ x, count, missing }) => ({
        label: `[${x}] in ${count} regions, ${missing} without pixels`,
        inputs: [randomArray(random, x)],
        attributes: labelled(random, [x[0], x[2], x[3]], count, missing),
      })),
    run: ([x], { labels, count, height, width }) =>
      regionMean(x, uploadRegions(x.gpu, labels, [x.shape[0], height, width], count)),
    forward: ([x], { labels, count }) => regionMeanReference(x, labels, count),
    backward: ([x], { labels, count }, dy) => [regionMeanGradientReference(x, labels, count, dy)],
    halves: [0],
    tolerance: { forward: { atol: 1e-6, rtol: 1e-6 }, backward: { atol: 1e-7, rtol: 3e-7 } },
  }),
  opRow<undefined>({
    name: 'unit_length',
    formula: 'y = x/(‖x‖ + ε) over channels',
    samples: (random) => {
      const flat = randomArray(random, [2, 3, 4]);
      for (let c = 0; c < 3; c++) flat.data[4 * c + 1] = 0;
      return [
        ...VECTORS.map((shape) => ({
          label: `[${shape}]`,
          inputs: [randomArray(random, shape)],
          attributes: undefined,
          // A single channel becomes its sign, whose gradient all but vanishes.
          cancels: 'gradients' as const,
          reduction: { forward: 1, backward: Math.max(1, sizeOf(shape) / 1000) },
        })),
        {
          label: 'a vector of zeros',
          inputs: [flat],
          attributes: undefined,
          skipGradcheck: true,
        },
      ];
    },
    run: ([x]) => unitLength(x, 1e-7),
    forward: ([x]) => unitLengthReference(x, 1e-7),
    backward: ([x], _attributes, dy) => [unitLengthGradientReference(x, 1e-7, dy)],
    tolerance: { forward: { atol: 1e-6, rtol: 1e-6 }, backward: { atol: 2e-6, rtol: 2e-6 } },
  }),
  opRow<Labelled>({
    name: 'info_nce',
    formula: 'y[n,i] = share·(log Σ_j e^x[n,i,j] - x[n,i,i]) over the regions that exist',
    samples: (random) =>
      SQUARES.map(({ images, count, missing, scale }) => ({
        label: `${images} images of ${count} regions, ${missing} without pixels`,
        inputs: [randomArray(random, [images, count, count], scale)],
        attributes: labelled(random, [images, 24, 24], count, missing),
      })),
    run: ([x], { labels, count, height, width }) =>
      infoNce(x, uploadRegions(x.gpu, labels, [x.shape[0], height, width], count)),
    forward: ([x], { labels }) => infoNceReference(x, labels),
    backward: ([x], { labels }, dy) => [infoNceGradientReference(x, labels, dy)],
    tolerance: { forward: { atol: 2e-6, rtol: 5e-6 }, backward: { atol: 2e-6, rtol: 2e-5 } },
  }),
];
