/** Apart from `tensorFrom`, because a page that enhances uploads no f16. */
import type { ElementType } from '../../kernels/element-types.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { float32ToHalfBits } from '../gpu/half-rounding.ts';
import { type Shape, Tensor, tensorFrom } from './tensor.ts';

/** A tensor of `elementType` holding `data`, which fill the shape; for f16 rounded to the nearest, ties to even. */
export function typedTensorFrom(
  gpu: Gpu,
  data: readonly number[] | Float32Array,
  shape: Shape,
  elementType: ElementType,
): Tensor {
  if (elementType === 'f32') return tensorFrom(gpu, data, shape);
  const halves = new Uint16Array(2 * Math.ceil(data.length / 2));
  for (let i = 0; i < data.length; i++) halves[i] = float32ToHalfBits(data[i]);
  return new Tensor(gpu, shape, gpu.upload(new Uint32Array(halves.buffer), elementType));
}
