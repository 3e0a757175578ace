import { type HostArray, hostArray } from '../registry/row.ts';
import type { Shape } from '../tensor.ts';

interface Attributes {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
}

/** Index in x of the maximum of every window of an output shape, first of equals. */
export function maxPoolWinners(x: HostArray, attributes: Attributes, output: Shape): number[] {
  const { kernel, stride, padding } = attributes;
  const [, , height, width] = x.shape;
  const [batch, channels, rows, columns] = output;
  const winners: number[] = [];
  for (let plane = 0; plane < batch * channels; plane++) {
    for (let oy = 0; oy < rows; oy++) {
      for (let ox = 0; ox < columns; ox++) {
        let winner = -1;
        for (let tap = 0; tap < kernel * kernel; tap++) {
          const iy = oy * stride - padding + Math.floor(tap / kernel);
          const ix = ox * stride - padding + (tap % kernel);
          if (iy < 0 || ix < 0 || iy >= height || ix >= width) continue;
          const at = (plane * height + iy) * width + ix;
          if (winner < 0 || x.data[at] > x.data[winner]) winner = at;
        }
        winners.push(winner);
      }
    }
  }
  return winners;
}

/** The maxima. */
export function maxPoolReference(x: HostArray, attributes: Attributes, output: Shape): HostArray {
  return hostArray(
    output,
    maxPoolWinners(x, attributes, output).map((winner) => x.data[winner]),
  );
}

/** Each cotangent goes to its window's winner. */
export function maxPoolGradientReference(
  x: HostArray,
  attributes: Attributes,
  dy: HostArray,
): HostArray {
  const dx = hostArray(x.shape);
  maxPoolWinners(x, attributes, dy.shape).forEach((winner, i) => {
    dx.data[winner] += dy.data[i];
  });
  return dx;
}
