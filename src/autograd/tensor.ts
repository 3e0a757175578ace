import { ELEMENT_BYTES, type ElementType } from '../../kernels/element-types.ts';
import type { Kernel, Plan } from '../../kernels/kernel.ts';
import { ShapeError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { halfBitsToFloat32 } from '../gpu/half-float.ts';
import { Storage } from '../gpu/storage.ts';
import type { GraphNode } from './graph.ts';

export type Shape = readonly number[];

/** Number of elements of a shape; 1 for a scalar `[]`. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const extent of shape) size *= extent;
  return size;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, axis) => extent === b[axis]);
}

/** `[2,3]`, for messages. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(',')}]`;
}

/**
 * A dense array of floats on a device, row-major (images are `[N,C,H,W]`), with the graph node that made
 * it if gradients may flow through. Its storage says whether they are f32, or f16 as activations under
 * `--precision f16` are; a gradient is of its tensor's type.
 */
export class Tensor {
  readonly gpu: Gpu;
  readonly shape: Shape;
  readonly storage: Storage;
  /** Whether gradients with respect to this tensor, or to what it was made from, may be asked for. */
  requiresGrad = false;
  /** How it was made; `undefined` for leaves. */
  node: GraphNode | undefined;
  /** For messages and checkpoints. */
  name = '';

  constructor(gpu: Gpu, shape: Shape, storage: Storage) {
    this.gpu = gpu;
    this.shape = shape;
    this.storage = storage;
  }

  /** How elements are stored. */
  get elementType(): ElementType {
    return this.storage.elementType;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** Submits what was recorded and brings the values to the host. */
  async read(): Promise<Float32Array> {
    const words = Math.ceil((this.size * ELEMENT_BYTES[this.elementType]) / 4);
    const bytes = await this.gpu.read(this.storage, words);
    if (this.elementType === 'f32') return new Float32Array(bytes);
    return Float32Array.from(new Uint16Array(bytes).subarray(0, this.size), halfBitsToFloat32);
  }

  /** The same values without history: gradients do not flow through. */
  detach(): Tensor {
    return new Tensor(this.gpu, this.shape, this.storage);
  }

  /** Takes the tensor out of its scope: it lives until `dispose`. */
  keep(): this {
    this.gpu.keep(this.storage);
    return this;
  }

  dispose(): void {
    this.gpu.dispose(this.storage);
  }
}

/** A tensor that channels `first` … of which a convolution writes, or has written. */
export interface SlicedTensor {
  readonly tensor: Tensor;
  readonly first: number;
}

/**
 * A tensor of f32 holding `data`; of f16: `typedTensorFrom`.
 * @throws ShapeError if the lengths differ
 */
export function tensorFrom(gpu: Gpu, data: Float32Array | readonly number[], shape: Shape): Tensor {
  if (data.length !== sizeOf(shape)) {
    throw new ShapeError(
      `${data.length} values do not fill a tensor of shape ${formatShape(shape)}`,
    );
  }
  const values = data instanceof Float32Array ? data : Float32Array.from(data);
  return new Tensor(gpu, shape, gpu.upload(values));
}

/** A tensor for a kernel to fill; its content is undefined until then. */
export function emptyTensor(gpu: Gpu, shape: Shape, elementType: ElementType = 'f32'): Tensor {
  const bytes = sizeOf(shape) * ELEMENT_BYTES[elementType];
  return new Tensor(gpu, shape, gpu.allocate(bytes, elementType));
}

/** A tensor for a kernel to fill, on the device of another and of its element type. */
export function emptyLike(tensor: Tensor, shape: Shape = tensor.shape): Tensor {
  return emptyTensor(tensor.gpu, shape, tensor.elementType);
}

/** A tensor of zeros. */
export function zeros(gpu: Gpu, shape: Shape): Tensor {
  const tensor = emptyTensor(gpu, shape);
  gpu.clear(tensor.storage);
  return tensor;
}

/** Runs `kernel` over the storages of `tensors`, bound in order. */
export function runKernel(kernel: Kernel, tensors: readonly (Tensor | Storage)[]): void {
  const first = tensors.find((tensor) => tensor instanceof Tensor);
  if (!(first instanceof Tensor)) throw new ShapeError('a kernel needs at least one tensor');
  first.gpu.run(kernel, tensors.map(storageOf));
}

/** Runs a plan over tensors. */
export function runPlan(
  plan: Plan,
  inputs: readonly (Tensor | Storage)[],
  outputs: readonly Tensor[],
): void {
  outputs[0].gpu.runPlan(plan, inputs.map(storageOf), outputs.map(storageOf));
}

function storageOf(holder: Tensor | Storage): Storage {
  return holder instanceof Storage ? holder : holder.storage;
}
