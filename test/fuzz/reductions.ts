import fc from 'fast-check';
import { instanceNorm } from '../../src/autograd/ops/instance-norm.ts';
import { l1Loss, mseLoss } from '../../src/autograd/ops/losses.ts';
import { mean, meanPerSample, sum } from '../../src/autograd/ops/reduce.ts';
import {
  instanceNormGradientReference,
  instanceNormReference,
} from '../../src/autograd/reference/instance-norm.ts';
import { lossTerm } from '../../src/autograd/reference/losses.ts';
import { hostArray } from '../../src/autograd/registry/row.ts';
import type { Shape } from '../../src/autograd/tensor.ts';
import { type AnyProperty, draw, property } from './property.ts';

/** Lengths of every magnitude, mostly around powers of two, where trees of sums have their edges. */
function lengths(largestPower: number): fc.Arbitrary<number> {
  const power = fc.integer({ min: 0, max: largestPower });
  return fc.oneof(
    fc.tuple(power, fc.integer({ min: -1, max: 1 })).map(([p, d]) => Math.max(1, 2 ** p + d)),
    fc
      .tuple(power, fc.double({ min: 0, max: 1, noNaN: true }))
      .map(([p, u]) => Math.ceil(2 ** (p * u))),
  );
}

const adding = property<{ op: 'sum' | 'mean'; length: number }>({
  name: 'sum and mean',
  arbitrary: fc.record({ op: fc.constantFrom('sum', 'mean'), length: lengths(20) }),
  make: ({ op, length }, random) => {
    const factor = op === 'sum' ? 1 : 1 / length;
    return {
      row: op,
      inputs: draw(random, [length]),
      isValid: true,
      run: ([x]) => (op === 'sum' ? sum : mean)(x),
      forward: ([x]) => hostArray([], [factor * x.data.reduce((total, value) => total + value, 0)]),
      backward: ([x], dy) => [
        hostArray(
          x.shape,
          x.data.map(() => factor * dy.data[0]),
        ),
      ],
      reduction: { forward: op === 'sum' ? length : 1, backward: 1 },
      // The mean of values around 0 is small beside them.
      cancels: 'output',
    };
  },
});

const rows = property<{ batch: number; length: number }>({
  name: 'mean_per_sample',
  arbitrary: fc.record({ batch: fc.integer({ min: 1, max: 5 }), length: lengths(16) }),
  make: ({ batch, length }, random) => ({
    row: 'mean_per_sample',
    inputs: draw(random, [batch, length]),
    isValid: true,
    run: ([x]) => meanPerSample(x),
    forward: ([x]) => {
      const y = hostArray([batch]);
      x.data.forEach((value, i) => {
        y.data[Math.floor(i / length)] += value / length;
      });
      return y;
    },
    backward: ([x], dy) => [
      hostArray(
        x.shape,
        x.data.map((_, i) => dy.data[Math.floor(i / length)] / length),
      ),
    ],
    cancels: 'output',
  }),
});

const losses = property<{ op: 'l1' | 'mse'; length: number; extra: number }>({
  name: 'l1 and mse loss',
  arbitrary: fc.record({
    op: fc.constantFrom('l1', 'mse'),
    length: lengths(18),
    extra: fc.constantFrom(0, 0, 0, 0, 1),
  }),
  make: ({ op, length, extra }, random) => {
    const term = op === 'l1' ? 'absolute_difference' : 'squared_difference';
    return {
      row: op === 'l1' ? 'l1_loss' : 'mse_loss',
      inputs: draw(random, [length], [length + extra]),
      isValid: extra === 0,
      run: ([a, b]) => (op === 'l1' ? l1Loss : mseLoss)(a, b),
      forward: ([a, b]) =>
        hostArray(
          [],
          [
            a.data.reduce((total, value, i) => total + lossTerm(term, value, b.data[i]).value, 0) /
              length,
          ],
        ),
      backward: ([a, b], dy) =>
        (['da', 'db'] as const).map((side) =>
          hostArray(
            a.shape,
            a.data.map(
              (value, i) => (lossTerm(term, value, b.data[i])[side] * dy.data[0]) / length,
            ),
          ),
        ),
    };
  },
});

const normalising = property<{ shape: Shape; offset: number }>({
  name: 'instance_norm',
  arbitrary: fc.record({
    shape: fc.tuple(
      fc.integer({ min: 1, max: 2 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 40 }),
    ),
    offset: fc.constantFrom(0, 0, 10, -100),
  }),
  make: ({ shape, offset }, random) => {
    const attributes = { epsilon: 1e-5, activation: { kind: 'none' } as const };
    const [x] = draw(random, shape);
    x.data.forEach((value, i) => {
      x.data[i] = Math.fround(value + offset);
    });
    return {
      row: 'instance_norm',
      inputs: [x],
      isValid: shape[2] * shape[3] > 1,
      run: ([tensor]) => instanceNorm(tensor, attributes),
      forward: ([array]) => instanceNormReference(array, attributes),
      backward: ([array], dy) => [instanceNormGradientReference(array, attributes, dy)],
      // Planes of few pixels: two values near each other are divided by their small difference.
      reduction: { forward: 4, backward: 16 },
      cancels: 'both',
    };
  },
});

export const REDUCTIONS: readonly AnyProperty[] = [adding, rows, losses, normalising];
