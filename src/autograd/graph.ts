import type { Activation } from '../../kernels/activation.ts';
import type { batchNormBackward, batchNormSums } from '../../kernels/batch-norm.ts';
import type { ConvGeometry } from '../../kernels/conv2d/geometry.ts';
import type { instanceNormBackward } from '../../kernels/instance-norm.ts';
import type { resizeBackward } from '../../kernels/resize.ts';
import type { Shape, SlicedTensor, Tensor } from './tensor.ts';

/*
 * What the tape is made of. `tape.ts` records nodes, `backward.ts` walks them.
 */

/** Where a parameter's gradient is collected. */
export interface GradientSlot {
  readonly tensor: Tensor;
  /** Whether `tensor` holds a gradient of the current step; if not, its content is stale. */
  filled: boolean;
}

/** The kernels that nothing but a backward pass needs, as ops call them. */
export interface TrainingKernels {
  /**
   * dx of a convolution of x whose output is channels of the tensor of which `dy` is the cotangent. Added to
   * `target`, if there is one; else a new tensor. A `gate` on x is applied where the kernels end in a fold.
   */
  inputGradient(
    geometry: ConvGeometry,
    x: Tensor,
    dy: Tensor | SlicedTensor,
    weight: Tensor,
    target?: GradientSlot,
    gate?: Gate,
  ): Tensor;
  /** dw of a convolution with input x and output cotangent dy, straight into `target` if there is one. */
  weightGradient(
    geometry: ConvGeometry,
    shape: Shape,
    x: Tensor,
    dy: Tensor,
    target?: GradientSlot,
  ): Tensor;
  /** db[o] = Σ dy[n,o,…], straight into `target` if there is one. */
  biasGradient(dy: Tensor, target?: GradientSlot): Tensor;
  readonly batchNormSums: typeof batchNormSums;
  readonly batchNormBackward: typeof batchNormBackward;
  readonly instanceNormBackward: typeof instanceNormBackward;
  readonly resizeBackward: typeof resizeBackward;
}

/**
 * Computes one input's gradient: a new tensor, or the cotangent itself. With a `target`, an op that can
 * do so writes (or, if `target.filled`, adds) into `target.tensor` directly and returns it; with a
 * `gate`, an op that can do so multiplies by its slope; others ignore them. `training` has the kernels that
 * nothing but a backward pass needs.
 */
export type GradientThunk = (
  target: GradientSlot | undefined,
  gate: Gate | undefined,
  training: TrainingKernels,
) => Tensor;

/**
 * Offered with an input y = f(z) that nothing else uses, whose own op begins its backward with dy·f'(z):
 * whoever computes dy may do that on the way, told from y, and must then set `applied`.
 */
export interface Gate {
  readonly activation: Activation;
  readonly output: Tensor;
  applied: boolean;
}

/** One lazily called gradient per input; `undefined` where the op has none. */
export type GradientThunks = readonly (GradientThunk | undefined)[];

/** One recorded op: what it read and made, and how cotangents flow back through it. */
export interface GraphNode {
  readonly op: string;
  /** Grows in order of execution. */
  readonly id: number;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** f, if the op is y = f(z) and takes a cotangent that a gate was applied to. */
  readonly activation: Activation | undefined;
  /**
   * @param cotangents one per output; `undefined` for outputs that the result does not depend on
   * @param wanted which inputs' gradients will be asked for, so that an op may make them together
   * @param gated whether the cotangent has been multiplied by f'(z) already
   */
  readonly backward: (
    cotangents: readonly (Tensor | undefined)[],
    wanted: readonly boolean[],
    gated: boolean,
  ) => GradientThunks;
}

/** `GraphNode.backward` of an op with one output. */
export type Backward = (
  cotangent: Tensor,
  wanted: readonly boolean[],
  gated: boolean,
) => GradientThunks;
