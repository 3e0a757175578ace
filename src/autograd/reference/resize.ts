import type { ResizeMode } from '../../../kernels/resize-spec.ts';
import { type HostArray, hostArray } from '../registry/row.ts';

/** The pixels an output is made of along one axis, with their weights. */
function taps(mode: ResizeMode, o: number, size: number, output: number): [number, number][] {
  if (mode === 'nearest') return [[Math.floor((o * size) / output), 1]];
  const source =
    mode === 'corners'
      ? (o * (size - 1)) / Math.max(output - 1, 1)
      : Math.max(0, ((o + 0.5) * size) / output - 0.5);
  const first = Math.min(Math.floor(source), size - 1);
  const weight = source - Math.floor(source);
  return [
    [first, 1 - weight],
    [Math.min(first + 1, size - 1), weight],
  ];
}

/** Calls `visit` with every pair of an input and an output element and its weight. */
function forEachTap(
  mode: ResizeMode,
  input: readonly number[],
  output: readonly number[],
  visit: (from: number, to: number, weight: number) => void,
): void {
  const [batch, channels, height, width] = input;
  const [, , rows, columns] = output;
  for (let plane = 0; plane < batch * channels; plane++) {
    for (let oy = 0; oy < rows; oy++) {
      for (let ox = 0; ox < columns; ox++) {
        for (const [iy, wy] of taps(mode, oy, height, rows)) {
          for (const [ix, wx] of taps(mode, ox, width, columns)) {
            visit((plane * height + iy) * width + ix, (plane * rows + oy) * columns + ox, wy * wx);
          }
        }
      }
    }
  }
}

/** Weighted sums of the taps. */
export function resizeReference(
  mode: ResizeMode,
  x: HostArray,
  height: number,
  width: number,
): HostArray {
  const y = hostArray([x.shape[0], x.shape[1], height, width]);
  forEachTap(mode, x.shape, y.shape, (from, to, weight) => {
    y.data[to] += weight * x.data[from];
  });
  return y;
}

/** Each cotangent goes to its taps. */
export function resizeGradientReference(mode: ResizeMode, x: HostArray, dy: HostArray): HostArray {
  const dx = hostArray(x.shape);
  forEachTap(mode, x.shape, dy.shape, (to, from, weight) => {
    dx.data[to] += weight * dy.data[from];
  });
  return dx;
}
