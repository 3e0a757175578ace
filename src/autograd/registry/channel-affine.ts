import { channelAffine } from '../ops/channel-affine.ts';
import type { Shape } from '../tensor.ts';
import { hostArray, opRow, randomArray } from './row.ts';

interface Attributes {
  readonly scale: readonly number[];
  readonly shift: readonly number[];
}

const LPIPS: Attributes = { scale: [0.458, 0.448, 0.45], shift: [-0.03, -0.088, -0.188] };

/** Calls `visit` with the indices of corresponding elements of x and y. */
function forEachElement(
  shape: Shape,
  channels: number,
  visit: (x: number, y: number, channel: number) => void,
): void {
  const [batch, inputs, height, width] = shape;
  for (let n = 0; n < batch; n++) {
    for (let c = 0; c < channels; c++) {
      for (let p = 0; p < height * width; p++) {
        const source = inputs === 1 ? 0 : c;
        visit(
          (n * inputs + source) * height * width + p,
          (n * channels + c) * height * width + p,
          c,
        );
      }
    }
  }
}

export const CHANNEL_AFFINE = opRow<Attributes>({
  name: 'channel_affine',
  formula: 'y[n,c] = (x[n,c or 0] - shift[c])/scale[c]',
  samples: (random) => [
    ...[
      [2, 1, 5, 7],
      [2, 1, 4, 6],
      [2, 3, 5, 3],
      [1, 3, 8, 8],
      [1, 1, 1, 1],
    ].map((shape) => ({
      label: `[${shape}]`,
      inputs: [randomArray(random, shape)],
      attributes: LPIPS,
    })),
    {
      label: 'one channel',
      inputs: [randomArray(random, [2, 1, 3, 3])],
      attributes: { scale: [2], shift: [1] },
    },
  ],
  run: ([x], { scale, shift }) => channelAffine(x, scale, shift),
  forward: ([x], { scale, shift }) => {
    const [batch, , height, width] = x.shape;
    const y = hostArray([batch, scale.length, height, width]);
    forEachElement(x.shape, scale.length, (from, to, c) => {
      y.data[to] = (x.data[from] - shift[c]) / scale[c];
    });
    return y;
  },
  backward: ([x], { scale }, dy) => {
    const dx = hostArray(x.shape);
    forEachElement(x.shape, scale.length, (to, from, c) => {
      dx.data[to] += dy.data[from] / scale[c];
    });
    return [dx];
  },
  halves: [0],
  tolerance: { forward: { atol: 1e-6, rtol: 1e-6 }, backward: { atol: 2e-6, rtol: 1e-6 } },
});
