import { type HostArray, hostArray } from '../registry/row.ts';

export interface WindowAttributes {
  readonly taps: readonly number[];
  readonly border: 'valid' | 'reflect' | 'zero';
}

/**
 * Calls `visit(output, input, weight)` for every pixel of every window of a plane, directly in two
 * dimensions; both directions follow from it.
 */
function eachTap(
  height: number,
  width: number,
  { taps, border }: WindowAttributes,
  visit: (output: number, input: number, weight: number) => void,
): void {
  const size = taps.length;
  const shrink = border === 'valid' ? size - 1 : 0;
  const offset = border === 'valid' ? 0 : (size - 1) / 2;
  const columns = width - shrink;
  /** Index seen at a place, by walking back and forth between the mirrors; -1 for none. */
  const seen = (place: number, length: number): number => {
    if (place >= 0 && place < length) return place;
    if (border === 'zero') return -1;
    return place < 0 ? -place : 2 * length - 2 - place;
  };
  for (let i = 0; i < height - shrink; i++) {
    for (let j = 0; j < columns; j++) {
      for (let s = 0; s < size; s++) {
        for (let t = 0; t < size; t++) {
          const row = seen(i + s - offset, height);
          const column = seen(j + t - offset, width);
          if (row < 0 || column < 0) continue;
          visit(i * columns + j, row * width + column, taps[s] * taps[t]);
        }
      }
    }
  }
}

/** Correlation of every plane with `taps ⊗ taps` in double precision. */
export function windowFilterForward(x: HostArray, attributes: WindowAttributes): HostArray {
  const [batch, channels, height, width] = x.shape;
  const shrink = attributes.border === 'valid' ? attributes.taps.length - 1 : 0;
  const y = hostArray([batch, channels, height - shrink, width - shrink]);
  const pixels = (height - shrink) * (width - shrink);
  for (let plane = 0; plane < batch * channels; plane++) {
    eachTap(height, width, attributes, (output, input, weight) => {
      y.data[plane * pixels + output] += weight * x.data[plane * height * width + input];
    });
  }
  return y;
}

/** Its adjoint. */
export function windowFilterBackward(
  x: HostArray,
  attributes: WindowAttributes,
  dy: HostArray,
): HostArray {
  const [batch, channels, height, width] = x.shape;
  const pixels = dy.shape[2] * dy.shape[3];
  const dx = hostArray(x.shape);
  for (let plane = 0; plane < batch * channels; plane++) {
    eachTap(height, width, attributes, (output, input, weight) => {
      dx.data[plane * height * width + input] += weight * dy.data[plane * pixels + output];
    });
  }
  return dx;
}
