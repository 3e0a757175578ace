import type { PaddingMode } from './geometry.ts';

/*
 * The rim of a window (`window.ts`): its pixels to the left and right of the 4·stride that are a quad's own.
 *
 *   own pixels of lane       0           1           2           3
 *                       │ a b c d │ e f g h │ i j k l │ m n o p │       stride 1, taps -1 … 1:
 *                               ▲   ╰──────╯ ▲                          lane 1 sees d e f g h i
 *
 * Where a subgroup has whole rows of quads, lanes side by side have loaded each other's rims already and are asked for
 * them: on CPU drivers a load takes as long as dozens of shuffles. At the ends of a row the rim lies outside of the image:
 * it is zero, or a pixel of the quad's own that is reflected.
 */

export interface RimmedWindow {
  readonly stride: number;
  /** Pixels e from `first` up to, not including, `end`. */
  readonly first: number;
  readonly end: number;
  readonly mode: PaddingMode;
}

/**
 * Whether the rim can be had from other lanes; not if there is none.
 * @param lanes of a subgroup if they take quads in order, row by row; else 0
 */
export function exchangesRim(
  { stride, first, end, mode }: RimmedWindow,
  { width, quads, lanes }: Record<'width' | 'quads' | 'lanes', number>,
): boolean {
  const own = 4 * stride;
  // No farther than the next lane, and among what that one has loaded.
  const isNear = first >= -own && first <= 0 && end >= own && end <= 2 * own;
  // What is beyond the last quad is beyond the image; reflection leads back into the quad.
  const isOutside = mode === 'zeros' ? width <= own * quads : width === own * quads;
  return lanes > 0 && lanes % quads === 0 && (first < 0 || end > own) && isNear && isOutside;
}

/** WGSL of pixel e of the rim. @param pixel of those that were loaded @param inside whether e is in the image */
export function exchangedPixel(
  { stride, mode }: RimmedWindow,
  e: number,
  pixel: (e: number) => string,
  inside: string,
): string {
  const own = 4 * stride;
  const [from, other] = e < 0 ? ['Up', e + own] : ['Down', e - own];
  const beyond = mode === 'zeros' ? '0.0' : pixel(e < 0 ? -e : 2 * (own - 1) - e);
  return `select(${beyond}, subgroupShuffle${from}(${pixel(other)}, 1u), ${inside})`;
}
