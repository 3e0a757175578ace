/** Rims of windows that lanes ask each other for: where they do, and that convolutions stay right there. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { NO_EPILOGUE } from '../../kernels/conv2d/epilogue.ts';
import { GRADIENT_WAYS } from '../../kernels/conv2d/gradient-ways.ts';
import { convolutionVariants } from '../../kernels/conv2d/variants.ts';
import { windowKey, windowOf } from '../../kernels/conv2d/window.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { openNodeGpu } from '../../src/node.ts';
import {
  errorsOf,
  geometryOf,
  type KernelCase,
  outcomes,
} from '../support/convolution-outcomes.ts';

const suite = createSuite('rims of windows');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

/** Whether lanes exchange the rim of a window. */
function isExchanged(
  [stride, first, end]: readonly [number, number, number],
  [width, quads]: readonly [number, number],
  mode: 'zeros' | 'reflect' = 'zeros',
): boolean {
  const shape = { stride, first, end, width, quads, mode, rowsInside: false };
  const [alone, together] = [windowOf(shape), windowOf({ ...shape, lanes: 8 })];
  assert.not(alone.exchanged, 'nobody to ask');
  assert.is(windowKey(together) !== windowKey(alone), together.exchanged);
  return together.exchanged;
}

suite('exchanged where a subgroup has whole rows', () => {
  for (const quads of [1, 2, 4, 8]) {
    assert.ok(isExchanged([1, -1, 5], [4 * quads, quads]));
    assert.ok(isExchanged([1, -1, 5], [4 * quads - 1, quads]), 'ragged');
    assert.ok(isExchanged([2, -1, 9], [8 * quads, quads], 'reflect'));
  }
  for (const quads of [3, 5, 9, 16]) {
    assert.not(isExchanged([1, -1, 5], [4 * quads, quads]));
  }
});

suite('loaded where a pixel would be no neighbour’s', () => {
  assert.not(isExchanged([1, 0, 4], [32, 8]), 'no rim');
  assert.not(isExchanged([1, 0, 6], [34, 8]), 'the last quad sees more of the image');
  assert.not(isExchanged([1, -1, 5], [31, 8], 'reflect'), 'reflected from another quad');
  assert.not(isExchanged([1, -5, 9], [32, 8]), 'beyond the neighbour');
  assert.not(isExchanged([1, 1, 6], [32, 8]), 'the neighbour has not loaded it');
});

/** Several sizes of one window each, so that subgroups end within rows, with them, and within a batch. */
const DIRECT: readonly KernelCase[] = [
  ...[1, 3, 7, 16, 31, 32, 33].map(
    (width): KernelCase => ({ image: [3, 4, 3, width], rows: 5, kernel: 3, stride: 1 }),
  ),
  ...[4, 7, 8].map(
    (width): KernelCase => ({
      image: [2, 3, 6, width],
      rows: 17,
      kernel: 5,
      stride: 1,
      padding: 2,
    }),
  ),
  ...[6, 8, 30, 64].flatMap((width) =>
    [false, true].map(
      (reflect): KernelCase => ({
        ...{ image: [3, 3, 6, width], rows: 6, kernel: 4, stride: 2, reflect },
      }),
    ),
  ),
  ...[8, 16, 32].map(
    (width): KernelCase => ({
      ...{ image: [1, 4, 5, width], rows: 20, kernel: 4, stride: 1, reflect: true, bias: true },
    }),
  ),
  // Few products, one vec4 a lane and two.
  { image: [1, 1, 12, 64], rows: 16, kernel: 4, stride: 2 },
  { image: [3, 3, 9, 31], rows: 32, kernel: 3, stride: 1 },
];

const WINOGRAD: readonly KernelCase[] = [
  ...[8, 15, 32, 36, 40, 63].flatMap((width) =>
    [false, true].map(
      (reflect): KernelCase => ({
        ...{ image: [3, 5, 9, width], rows: 6, kernel: 3, stride: 1, reflect },
      }),
    ),
  ),
  ...[16, 33, 41].map(
    (width): KernelCase => ({ image: [2, 4, 7, width], rows: 5, kernel: 4, stride: 1 }),
  ),
  ...[16, 64, 72, 80].flatMap((width) =>
    [false, true].map(
      (reflect): KernelCase => ({
        ...{ image: [2, 4, 10, width], rows: 5, kernel: 4, stride: 2, reflect },
      }),
    ),
  ),
];

/** Keys of the kernels that read images, of all passes that there is a way of that name for. */
function keysOf(each: KernelCase, variant: string): string[] {
  const geometry = geometryOf(each);
  return (['forward', 'data-gradient'] as const).flatMap((pass) => {
    const request = { pass, geometry, epilogue: NO_EPILOGUE, gradients: GRADIENT_WAYS };
    const found = convolutionVariants(request, gpu.profile).find(({ name }) => name === variant);
    return (found?.plan().steps ?? []).map(({ kernel }) => kernel.key);
  });
}

for (const [variant, cases] of [
  ['direct', DIRECT],
  ['winograd', WINOGRAD],
] as const) {
  suite(`${variant}: all passes agree with the reference`, async () => {
    if (variant === 'winograd' && !gpu.profile.subgroupSize) return;
    const random = new RandomStream(41, `rims ${variant}`);
    for (const each of cases) {
      for (const outcome of await outcomes(gpu, each, random, variant)) {
        const { largest } = errorsOf(outcome);
        assert.ok(largest < 1e-4, `${outcome.pass} ${JSON.stringify(each)}: error ${largest}`);
      }
    }
    const keys = cases.flatMap((each) => keysOf(each, variant));
    const windows = new Set(keys.flatMap((key) => /[zr]\d\[-?\d+,\d+\)[vs]x/.exec(key) ?? []));
    if (gpu.profile.subgroupSize === 8) assert.ok(windows.size >= 4, [...windows].join(' '));
  });
}

suite.run();
