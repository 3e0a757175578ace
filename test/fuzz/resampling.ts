import fc from 'fast-check';
import type { ResizeMode } from '../../kernels/resize-spec.ts';
import { gridSample } from '../../src/autograd/ops/grid-sample.ts';
import { maxPool2d } from '../../src/autograd/ops/max-pool2d.ts';
import { resizeBilinear } from '../../src/autograd/ops/resize-bilinear.ts';
import { upsampleNearest } from '../../src/autograd/ops/upsample-nearest.ts';
import { windowFilter } from '../../src/autograd/ops/window-filter.ts';
import {
  gridSampleGradientReference,
  gridSampleReference,
} from '../../src/autograd/reference/grid-sample.ts';
import {
  maxPoolGradientReference,
  maxPoolReference,
} from '../../src/autograd/reference/max-pool2d.ts';
import { resizeGradientReference, resizeReference } from '../../src/autograd/reference/resize.ts';
import {
  windowFilterBackward,
  windowFilterForward,
} from '../../src/autograd/reference/window-filter.ts';
import { randomGrid } from '../../src/autograd/registry/grid-sample.ts';
import type { Shape } from '../../src/autograd/tensor.ts';
import { type AnyProperty, draw, property } from './property.ts';

const extent = fc.integer({ min: 1, max: 11 });
const image = fc.tuple(
  fc.integer({ min: 1, max: 2 }),
  fc.integer({ min: 1, max: 4 }),
  extent,
  extent,
);

const resizing = property<{ mode: ResizeMode; shape: Shape; height: number; width: number }>({
  name: 'resize',
  arbitrary: fc.record({
    mode: fc.constantFrom<ResizeMode>('bilinear', 'corners', 'nearest'),
    shape: image,
    height: fc.integer({ min: 0, max: 30 }),
    width: fc.integer({ min: 0, max: 30 }),
  }),
  make: ({ mode, shape, height, width }, random) => ({
    row: {
      bilinear: 'resize_bilinear',
      corners: 'resize_bilinear_corners',
      nearest: 'upsample_nearest',
    }[mode],
    inputs: draw(random, shape),
    isValid: height > 0 && width > 0,
    run: ([x]) =>
      mode === 'nearest'
        ? upsampleNearest(x, { height, width })
        : resizeBilinear(x, { height, width, alignCorners: mode === 'corners' }),
    forward: ([x]) => resizeReference(mode, x, height, width),
    backward: ([x], dy) => [resizeGradientReference(mode, x, dy)],
    reduction: { forward: 4, backward: 4 + (height * width) / (shape[2] * shape[3]) },
    cancels: 'both',
  }),
});

const sampling = property<{
  shape: Shape;
  rows: number;
  columns: number;
  alignCorners: boolean;
  paddingMode: 'border' | 'zeros';
  extraBatch: number;
}>({
  name: 'grid_sample',
  arbitrary: fc.record({
    shape: image,
    rows: extent,
    columns: extent,
    alignCorners: fc.boolean(),
    paddingMode: fc.constantFrom('border', 'zeros'),
    extraBatch: fc.constantFrom(0, 0, 0, 0, 1),
  }),
  make: ({ shape, rows, columns, alignCorners, paddingMode, extraBatch }, random) => {
    const batch = shape[0] + extraBatch;
    const options = { alignCorners, paddingMode };
    const grid = randomGrid(random, [batch, rows, columns, 2], shape, alignCorners);
    return {
      row: 'grid_sample',
      inputs: [...draw(random, shape), grid],
      isValid: extraBatch === 0,
      run: ([x, positions]) => gridSample(x, positions, options),
      forward: ([x, positions]) => gridSampleReference(x, positions, options),
      backward: ([x, positions], dy) => gridSampleGradientReference(x, positions, options, dy),
      reduction: { forward: 4, backward: 8 + 4 * shape[1] + rows * columns },
      cancels: 'both',
    };
  },
});

const pooling = property<{
  shape: Shape;
  kernel: number;
  stride: number;
  padding: number;
  ceilMode: boolean;
}>({
  name: 'max_pool2d',
  arbitrary: fc.record({
    shape: image,
    kernel: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 1, max: 4 }) }, fc.constant(0)),
    stride: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 1, max: 4 }) }, fc.constant(0)),
    padding: fc.constantFrom(0, 0, 1, 1, 2, 3),
    ceilMode: fc.boolean(),
  }),
  make: ({ shape, kernel, stride, padding, ceilMode }, random) => {
    const options = { kernel, stride, padding, ceilMode };
    // Counted one by one: windows that begin within the image or its near padding, and end within the
    // far padding unless the last one may hang over.
    const windows = (size: number): number => {
      let count = 0;
      const mayBegin = (at: number): boolean =>
        at + kernel <= size + 2 * padding ||
        (ceilMode && at < size + padding && at - stride + kernel < size + 2 * padding);
      while (stride > 0 && mayBegin(count * stride)) count++;
      return count;
    };
    const output = [shape[0], shape[1], windows(shape[2]), windows(shape[3])];
    return {
      row: 'max_pool2d',
      inputs: draw(random, shape),
      isValid: kernel > 0 && stride > 0 && padding <= kernel / 2 && output[2] > 0 && output[3] > 0,
      run: ([x]) => maxPool2d(x, options),
      forward: ([x]) => maxPoolReference(x, options, output),
      backward: ([x], dy) => [maxPoolGradientReference(x, options, dy)],
      reduction: { forward: 1, backward: Math.max(1, kernel / stride) ** 2 },
      cancels: 'both',
    };
  },
});

const filtering = property<{
  shape: Shape;
  size: number;
  border: 'valid' | 'reflect' | 'zero';
}>({
  name: 'window_filter',
  arbitrary: fc.record({
    shape: image,
    size: fc.integer({ min: 1, max: 8 }),
    border: fc.constantFrom('valid', 'reflect', 'zero'),
  }),
  make: ({ shape, size, border }, random) => {
    // Equal sizes have equal taps: those are compiled into the kernel.
    const taps = Array.from({ length: size }, (_, i) => 0.4 - 0.13 * i);
    const smallest = Math.min(shape[2], shape[3]);
    const isOdd = size % 2 === 1;
    const fits = {
      valid: smallest >= size,
      reflect: isOdd && smallest > (size - 1) / 2,
      zero: isOdd,
    }[border];
    return {
      row: 'window_filter',
      inputs: draw(random, shape),
      isValid: fits,
      run: ([x]) => windowFilter(x, { taps, border }),
      forward: ([x]) => windowFilterForward(x, { taps, border }),
      backward: ([x], dy) => [windowFilterBackward(x, { taps, border }, dy)],
      reduction: { forward: size, backward: 2 * size },
      cancels: 'both',
    };
  },
});

/** Each kernel, stride and size of these ops compiles anew or not, as it comes. */
export const RESAMPLING: readonly AnyProperty[] = [resizing, sampling, pooling, filtering];
