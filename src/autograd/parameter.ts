import type { Gpu } from '../gpu/gpu.ts';
import type { Storage } from '../gpu/storage.ts';
import type { GradientSlot } from './graph.ts';
import { type Shape, Tensor } from './tensor.ts';

/** A trained tensor: a leaf that collects its gradient. */
export class Parameter extends Tensor {
  readonly gradient: GradientSlot;

  /** @param requiresGrad false for a value whose true gradient is 0: its slot stays as it is */
  constructor(
    gpu: Gpu,
    shape: Shape,
    value: Storage,
    gradient: Storage,
    name: string,
    requiresGrad = true,
  ) {
    super(gpu, shape, value);
    this.requiresGrad = requiresGrad;
    this.name = name;
    this.gradient = { tensor: new Tensor(gpu, shape, gradient), filled: false };
  }
}
