/** The paper's Figures 3 and 4 as montages. */
import type { GrayImage } from '../../data/image.ts';
import { differenceScale } from '../../report/difference.ts';
import { textWidth } from '../../report/font.ts';
import { montage } from '../../report/montage.ts';
import {
  absoluteDifference,
  busiestRegion,
  frameRegion,
  magnifyRegion,
} from '../../report/regions.ts';
import type { ShownImage } from './pictures.ts';

/** The region shown larger is this part of the image's side. */
const ZOOM = 3;

/** "(A) Reference low", … in the order of the columns. */
function columnLabels(systems: readonly string[]): string[] {
  return ['Reference low', ...systems, 'Reference high'].map(
    (label, index) => `(${String.fromCharCode(65 + index)}) ${label}`,
  );
}

/** Whole factor at which the widest label fits above a column. */
function scaleFor(labels: readonly string[], size: number): number {
  return Math.ceil(Math.max(...labels.map(textWidth)) / size);
}

function columns({ low, enhanced, high }: ShownImage): GrayImage[] {
  return [low, ...enhanced, high];
}

/**
 * Figure 3: one held-out image, a column a system between the two references. Below the whole images
 * the region of the high-quality image with most contrast, enlarged, and how far each image is from
 * the high-quality one.
 */
export function comparisonFigure(image: ShownImage, systems: readonly string[]): GrayImage {
  const labels = columnLabels(systems);
  const images = columns(image);
  const { high } = image;
  const region = busiestRegion(high, Math.max(1, Math.floor(high.width / ZOOM)));
  const scale = differenceScale(images.slice(0, -1), high);
  return montage(
    [
      images.map((each) => frameRegion(each, region)),
      images.map((each) => magnifyRegion(each, region, high.width)),
      images.map((each) => absoluteDifference(each, high, scale)),
    ],
    {
      columnLabels: labels,
      rowLabels: [
        `${image.organ} ${image.name}`,
        `the framed region, ${ZOOM} times as large`,
        `absolute difference from (${String.fromCharCode(64 + labels.length)}), white: ${scale.toFixed(2)} or more`,
      ],
      scale: scaleFor(labels, high.width),
    },
  );
}

/** Figure 4: an image an organ, a row each; a column a system between the two references. */
export function organFigure(images: readonly ShownImage[], systems: readonly string[]): GrayImage {
  const labels = columnLabels(systems);
  return montage(images.map(columns), {
    columnLabels: labels,
    rowLabels: images.map(({ organ, name }) => `${organ} ${name}`),
    scale: scaleFor(labels, images[0]?.high.width ?? 1),
  });
}
