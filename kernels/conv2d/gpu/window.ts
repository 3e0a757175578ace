import type { PaddingMode } from '../geometry.ts';

/*
 * What neighbouring pixels see of one row of an image, in the kernels that keep that in registers: `taps` taps each,
 * the next pixel's `stride` further, so `stride·(COLUMNS - 1) + taps` columns, whose first is `left`.
 */

/** Neighbouring pixels of a thread. */
export const COLUMNS = 4;

export interface ImageWindow {
  readonly taps: number;
  readonly stride: number;
  readonly mode: PaddingMode;
  /** Columns at its left and right that may lie beyond the image; nothing is tested for those between. */
  readonly rimLeft: number;
  readonly rimRight: number;
}

export function windowWidth({ taps, stride }: Pick<ImageWindow, 'taps' | 'stride'>): number {
  return stride * (COLUMNS - 1) + taps;
}

/**
 * The window of groups of pixels of rows of `pixels` pixels, over an image's rows of `width`. Where the last group is
 * not whole, all columns are rim, lest every width has a pipeline of its own.
 * @param origin where the first pixel's first tap lies
 */
export function windowOf(
  shape: Pick<ImageWindow, 'taps' | 'stride' | 'mode'>,
  {
    origin,
    pixels,
    width,
  }: { readonly origin: number; readonly pixels: number; readonly width: number },
): ImageWindow {
  const columns = windowWidth(shape);
  if (pixels % COLUMNS > 0) return { ...shape, rimLeft: columns, rimRight: columns };
  const lastLeft = origin + shape.stride * (pixels - COLUMNS);
  const beyond = (count: number): number => Math.min(columns, Math.max(0, count));
  return { ...shape, rimLeft: beyond(-origin), rimRight: beyond(lastLeft + columns - width) };
}

/** Tells windows of one kernel apart. */
export function windowKey({ taps, stride, mode, rimLeft, rimRight }: ImageWindow): string {
  const isRim = mode === 'reflect' || rimLeft === windowWidth({ taps, stride });
  return `s${stride}-${mode}${isRim ? '' : `${rimLeft}_${rimRight}`}`;
}

/** Lines for the columns of a window. */
export function eachColumn(window: ImageWindow, line: (column: number) => string): string {
  return Array.from({ length: windowWidth(window) }, (_, i) => line(i)).join('\n');
}

function isRim({ mode, rimLeft, rimRight, ...shape }: ImageWindow, column: number): boolean {
  const isInside = column >= rimLeft && column < windowWidth(shape) - rimRight;
  return mode === 'zeros' && !isInside;
}

/**
 * Where the columns of a window lie in a row of the image: `x0`, `x1`, … Those of zeros may lie before or beyond the
 * row: what is loaded there does not count. `inside0`, … of the rim are masks, as conditions would take scalar registers, of
 * which weights need most.
 */
export function windowColumns(window: ImageWindow): string {
  return eachColumn(window, (i) => {
    if (window.mode === 'reflect') return `  let x${i} = u32(source(left + ${i}, mirrorX));`;
    const place = `  let x${i} = u32(left) + ${i}u;`;
    return isRim(window, i)
      ? `${place}\n  let inside${i} = ${insideMask(`left + ${i}`, 'width')};`
      : place;
  });
}

/** WGSL: all bits if 0 ≤ i < extent, none otherwise. Compilers make a condition of a select. */
export function insideMask(i: string, extent: string): string {
  return `~(((${i}) | (${extent} - 1 - (${i}))) >> 31u)`;
}

/**
 * WGSL of a column's pixel in the row that starts at \`at\`.
 * @param rowMask WGSL of a mask of the whole row, if it may lie beyond the image
 */
export function windowPixel(window: ImageWindow, column: number, rowMask?: string): string {
  const pixel = `image[at + x${column}]`;
  const masks = [
    ...(isRim(window, column) ? [`inside${column}`] : []),
    ...(rowMask !== undefined && window.mode === 'zeros' ? [rowMask] : []),
  ];
  if (masks.length === 0) return pixel;
  return `bitcast<f32>(bitcast<i32>(${pixel}) & (${masks.join(' & ')}))`;
}
