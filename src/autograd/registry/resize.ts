import type { ResizeMode } from '../../../kernels/resize-spec.ts';
import { resizeBilinear } from '../ops/resize-bilinear.ts';
import { upsampleNearest } from '../ops/upsample-nearest.ts';
import { resizeGradientReference, resizeReference } from '../reference/resize.ts';
import type { Shape, Tensor } from '../tensor.ts';
import { type AnyOpRow, opRow, randomArray } from './row.ts';

interface Attributes {
  readonly height: number;
  readonly width: number;
}

const CASES: readonly { readonly shape: Shape; readonly height: number; readonly width: number }[] =
  [
    { shape: [2, 3, 4, 5], height: 8, width: 10 },
    { shape: [1, 2, 9, 7], height: 4, width: 3 },
    { shape: [1, 1, 5, 5], height: 13, width: 7 },
    { shape: [1, 3, 1, 1], height: 3, width: 2 },
    { shape: [1, 2, 6, 8], height: 6, width: 8 },
    { shape: [1, 1, 2, 2], height: 3, width: 3 },
    { shape: [1, 1, 40, 3], height: 5, width: 50 },
    { shape: [1, 1, 7, 6], height: 1, width: 1 },
    { shape: [1, 2, 3, 4], height: 31, width: 29 },
    { shape: [2, 1, 3, 12], height: 6, width: 24 },
    { shape: [1, 2, 1, 4], height: 2, width: 8 },
  ];

function resizeRow(
  name: string,
  formula: string,
  mode: ResizeMode,
  run: (x: Tensor, size: Attributes) => Tensor,
): AnyOpRow {
  return opRow<Attributes>({
    name,
    formula,
    samples: (random) =>
      CASES.map(({ shape, height, width }) => ({
        label: `[${shape}] to ${height}x${width}`,
        inputs: [randomArray(random, shape)],
        attributes: { height, width },
        reduction: {
          forward: 1,
          backward: Math.ceil((height * width) / (shape[2] * shape[3])),
        },
      })),
    run: ([x], attributes) => run(x, attributes),
    forward: ([x], { height, width }) => resizeReference(mode, x, height, width),
    backward: ([x], _attributes, dy) => [resizeGradientReference(mode, x, dy)],
    halves: [0],
    tolerance: { forward: { atol: 1e-6, rtol: 1e-6 }, backward: { atol: 2e-6, rtol: 2e-6 } },
  });
}

export const RESIZE_OPS: readonly AnyOpRow[] = [
  resizeRow('resize_bilinear', 'y = bilinear(x) at (o+½)·in/out-½', 'bilinear', resizeBilinear),
  resizeRow(
    'resize_bilinear_corners',
    'y = bilinear(x) at o·(in-1)/(out-1)',
    'corners',
    (x, size) => resizeBilinear(x, { ...size, alignCorners: true }),
  ),
  resizeRow('upsample_nearest', 'y = x at ⌊o·in/out⌋', 'nearest', upsampleNearest),
];
