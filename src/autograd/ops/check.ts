import type { Activation } from '../../../kernels/activation.ts';
import { ShapeError, UsageError } from '../../errors.ts';
import { formatShape, sameShape, type Tensor } from '../tensor.ts';

/** Extents of an image batch `[N,C,H,W]`. */
export interface ImageShape {
  readonly batch: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** @throws ShapeError unless both tensors have one shape. */
export function requireSameShape(op: string, a: Tensor, b: Tensor): void {
  if (!sameShape(a.shape, b.shape)) {
    throw new ShapeError(
      `${op} needs tensors of one shape, found ${formatShape(a.shape)} and ${formatShape(b.shape)}`,
    );
  }
}

/** @throws ShapeError unless tensors are stored alike, as those must be whose gradients are one tensor. */
export function requireSameElementType(op: string, tensors: readonly Tensor[]): void {
  const types = tensors.map(({ elementType }) => elementType);
  if (new Set(types).size > 1) {
    throw new ShapeError(`${op} needs tensors of one element type, found ${types.join(' and ')}`);
  }
}

/** @throws ShapeError unless `x` is `[N,C,H,W]` with no empty axis. */
export function requireImage(op: string, x: Tensor): ImageShape {
  if (x.shape.length !== 4 || x.size === 0) {
    throw new ShapeError(`${op} needs a tensor [N,C,H,W], found ${formatShape(x.shape)}`);
  }
  const [batch, channels, height, width] = x.shape;
  return { batch, channels, height, width };
}

const fits = (value: number): boolean => Number.isFinite(Math.fround(value));

/** @throws UsageError unless all values of an argument that reach a kernel as constants are finite in f32. */
export function requireFinite(op: string, argument: string, ...values: number[]): void {
  for (const value of values) if (!fits(value)) refuse(op, argument, 'number', value);
}

/**
 * @throws UsageError unless a leaky ReLU's slope is positive, so that the output's sign tells the input's, and it
 *   and its inverse, by which gradients find the input, are finite in f32
 */
export function requireActivation(op: string, activation: Activation): void {
  if (activation.kind !== 'leaky_relu') return;
  const { slope } = activation;
  if (!(slope > 0 && fits(slope) && fits(1 / slope))) refuse(op, 'slope', 'positive number', slope);
}

function refuse(op: string, argument: string, expected: string, found: number): never {
  throw new UsageError(
    `${op}: ${argument}: expected a ${expected} that 32-bit floats can hold, found ${found}`,
  );
}

/** @throws ShapeError if `x` has no elements. */
export function requireElements(op: string, x: Tensor): void {
  if (x.size === 0) {
    throw new ShapeError(`${op} needs at least one element, found ${formatShape(x.shape)}`);
  }
}
