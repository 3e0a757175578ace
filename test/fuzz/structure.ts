import fc from 'fast-check';
import { add, multiply } from '../../src/autograd/ops/arithmetic.ts';
import { addBias } from '../../src/autograd/ops/bias.ts';
import { channelAffine } from '../../src/autograd/ops/channel-affine.ts';
import { concat } from '../../src/autograd/ops/concat.ts';
import { sliceBatch, sliceChannels } from '../../src/autograd/ops/slice.ts';
import { map } from '../../src/autograd/reference/arithmetic.ts';
import {
  concatReference,
  sliceGradientReference,
  sliceReference,
} from '../../src/autograd/reference/concat.ts';
import { hostArray } from '../../src/autograd/registry/row.ts';
import { type Shape, sameShape, sizeOf } from '../../src/autograd/tensor.ts';
import { type AnyProperty, draw, property } from './property.ts';

const extent = fc.integer({ min: 1, max: 9 });
const anyShape = fc.array(extent, { maxLength: 4 });
const image = fc.tuple(fc.integer({ min: 1, max: 3 }), extent, extent, extent);

/** Two shapes, mostly equal. */
const pair = fc.oneof(
  { weight: 4, arbitrary: anyShape.map((shape): [Shape, Shape] => [shape, shape]) },
  fc.tuple(anyShape, anyShape),
);

const sum = property<[Shape, Shape]>({
  name: 'add',
  arbitrary: pair,
  make: ([first, second], random) => ({
    row: 'add',
    inputs: draw(random, first, second),
    // No broadcasting between tensors: one shape, or none at all.
    isValid: sameShape(first, second),
    run: ([a, b]) => add(a, b),
    forward: ([a, b]) => map((p, q) => p + q, a, b),
    backward: (_inputs, dy) => [dy, dy],
  }),
});

const product = property<[Shape, Shape]>({
  name: 'multiply',
  arbitrary: pair,
  make: ([first, second], random) => ({
    row: 'multiply',
    inputs: draw(random, first, second),
    isValid: sameShape(first, second),
    run: ([a, b]) => multiply(a, b),
    forward: ([a, b]) => map((p, q) => p * q, a, b),
    backward: ([a, b], dy) => [map((g, q) => g * q, dy, b), map((g, p) => g * p, dy, a)],
  }),
});

const bias = property<{ shape: Shape; extra: number }>({
  name: 'add_bias',
  arbitrary: fc.record({ shape: anyShape, extra: fc.constantFrom(0, 0, 0, 1) }),
  make: ({ shape, extra }, random) => {
    const channels = (shape[1] ?? 3) + extra;
    const pixels = sizeOf(shape.slice(2));
    return {
      row: 'add_bias',
      inputs: draw(random, shape, [channels]),
      isValid: shape.length >= 2 && extra === 0,
      run: ([x, b]) => addBias(x, b),
      forward: ([x, b]) =>
        hostArray(
          x.shape,
          x.data.map((value, i) => value + b.data[Math.floor(i / pixels) % channels]),
        ),
      backward: (_inputs, dy) => {
        const db = hostArray([channels]);
        dy.data.forEach((value, i) => {
          db.data[Math.floor(i / pixels) % channels] += value;
        });
        return [dy, db];
      },
      reduction: { forward: 1, backward: sizeOf(shape) / channels },
      cancels: 'both',
    };
  },
});

const broadcast = property<{ shape: Shape; channels: number }>({
  name: 'channel_affine of one channel or of each',
  arbitrary: fc.record({
    shape: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.constantFrom(1, 3, 4), extent, extent),
    channels: fc.constantFrom(1, 3, 4),
  }),
  make: ({ shape, channels }, random) => {
    const scale = Array.from({ length: channels }, (_, c) => 0.5 + c);
    const shift = Array.from({ length: channels }, (_, c) => 0.25 * c - 0.3);
    const [batch, inputs, height, width] = shape;
    const pixels = height * width;
    const from = (i: number): number => {
      const plane = Math.floor(i / pixels);
      const channel = inputs === 1 ? 0 : plane % channels;
      return (Math.floor(plane / channels) * inputs + channel) * pixels + (i % pixels);
    };
    const channelOf = (i: number): number => Math.floor(i / pixels) % channels;
    return {
      row: 'channel_affine',
      inputs: draw(random, shape),
      isValid: inputs === 1 || inputs === channels,
      run: ([x]) => channelAffine(x, scale, shift),
      forward: ([x]) => {
        const y = hostArray([batch, channels, height, width]);
        y.data.forEach((_, i) => {
          y.data[i] = (x.data[from(i)] - shift[channelOf(i)]) / scale[channelOf(i)];
        });
        return y;
      },
      backward: ([x], dy) => {
        const dx = hostArray(x.shape);
        dy.data.forEach((value, i) => {
          dx.data[from(i)] += value / scale[channelOf(i)];
        });
        return [dx];
      },
      reduction: { forward: 1, backward: channels },
      cancels: 'both',
    };
  },
});

interface Join {
  readonly shape: Shape;
  readonly axis: number;
  /** Extents of the tensors along the axis. */
  readonly extents: readonly number[];
  /** Added to another extent of the last tensor. */
  readonly extra: number;
}

const joining = property<Join>({
  name: 'concat',
  // Equal shapes: one tensor may stand for two, and its gradients are rounded once more.
  always: [{ shape: [1], axis: 0, extents: [1, 1, 1], extra: 0 }],
  arbitrary: fc.record({
    shape: fc.array(extent, { minLength: 1, maxLength: 4 }),
    axis: fc.integer({ min: 0, max: 4 }),
    extents: fc.array(extent, { minLength: 1, maxLength: 4 }),
    extra: fc.constantFrom(0, 0, 0, 1),
  }),
  make: ({ shape, axis, extents, extra }, random) => {
    const exists = axis < shape.length;
    const shapes = extents.map((size): number[] =>
      exists ? (shape as number[]).with(axis, size) : [...shape],
    );
    const other = shape.findIndex((_, i) => i !== axis);
    const differs = extra !== 0 && other >= 0 && shapes.length > 1;
    if (differs) (shapes.at(-1) as number[])[other] += extra;
    return {
      row: 'concat',
      inputs: draw(random, ...shapes),
      isValid: exists && !differs,
      run: (tensors) => concat(tensors, axis),
      forward: (arrays) => concatReference(arrays, axis),
      backward: (arrays, dy) => {
        let start = 0;
        return arrays.map((array) => {
          start += array.shape[axis];
          return sliceReference(dy, axis, start - array.shape[axis], array.shape[axis]);
        });
      },
    };
  },
});

const slicing = property<{ shape: Shape; axis: number; start: number; count: number }>({
  name: 'slice',
  arbitrary: fc.record({
    shape: image,
    axis: fc.constantFrom(0, 1),
    start: fc.integer({ min: -1, max: 5 }),
    count: fc.integer({ min: 0, max: 5 }),
  }),
  make: ({ shape, axis, start, count }, random) => ({
    row: axis === 0 ? 'slice_batch' : 'slice_channels',
    inputs: draw(random, shape),
    isValid: start >= 0 && count > 0 && start + count <= shape[axis],
    run: ([x]) => (axis === 0 ? sliceBatch : sliceChannels)(x, start, count),
    forward: ([x]) => sliceReference(x, axis, start, count),
    backward: ([x], dy) => [sliceGradientReference(x, axis, start, dy)],
  }),
});

export const STRUCTURE: readonly AnyProperty[] = [sum, product, bias, broadcast, joining, slicing];
