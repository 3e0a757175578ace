import type { Activation } from '../../../kernels/activation.ts';
import type { PaddingMode } from '../../../kernels/conv2d/geometry.ts';
import { ShapeError } from '../../errors.ts';
import type { GradientThunk } from '../graph.ts';
import { attach } from '../tape.ts';
import { emptyLike, formatShape, type Tensor } from '../tensor.ts';
import { requireActivation } from './check.ts';
import { concat } from './concat.ts';
import { conv2d, conv2dGeometry } from './conv2d.ts';
import { beforeActivation, runForwardInto } from './convolution-plans.ts';
import { sliceAxis } from './slice.ts';

export interface ConvolutionBranch {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
  readonly stride?: number;
  readonly padding?: number;
  readonly paddingMode?: PaddingMode;
}

/**
 * Convolutions of one image side by side: y = concat_c(f(conv2d(x, branch)), …), as in SqueezeNet's fire
 * modules. On CPU adapters each branch writes its channels of y directly and reads its channels of dy
 * directly; elsewhere it is `conv2d` and `concat`.
 * @param x [N,C,H,W]
 * @returns [N, ΣO, OH, OW]
 * @throws as `conv2d`; ShapeError if there are no branches, or if their outputs differ in size
 */
export function conv2dBranches(
  x: Tensor,
  branches: readonly ConvolutionBranch[],
  activation: Activation,
): Tensor {
  requireActivation('conv2dBranches', activation);
  if (x.gpu.profile.kind !== 'cpu' || branches.length < 2) {
    return concat(
      branches.map(({ weight, bias, ...options }) =>
        conv2d(x, weight, bias, { ...options, activation }),
      ),
      1,
    );
  }
  let channels = 0;
  const parts = branches.map((branch) => {
    const { geometry, shape } = conv2dGeometry(x, branch.weight, branch.bias, branch);
    const first = channels;
    channels += geometry.outChannels;
    return { ...branch, geometry, shape, first };
  });
  const [batch, , height, width] = parts[0].shape;
  for (const { shape } of parts) {
    if (shape[2] !== height || shape[3] !== width) {
      throw new ShapeError(
        `conv2dBranches: outputs differ in size: ${parts.map((part) => formatShape(part.shape)).join(', ')}`,
      );
    }
  }
  const y = emptyLike(x, [batch, channels, height, width]);
  for (const { geometry, first, weight, bias } of parts) {
    runForwardInto(geometry, { tensor: y, first }, x, weight, bias, activation);
  }
  const inputs = [x, ...parts.flatMap(({ weight, bias }) => (bias ? [weight, bias] : [weight]))];
  return attach(y, 'conv2d_branches', inputs, (cotangent) => {
    const dy = beforeActivation(activation, cotangent, y);
    const slice = ({ first, geometry }: (typeof parts)[number]): Tensor =>
      sliceAxis(dy(), 1, first, geometry.outChannels);
    return [
      (target, _gate, training) => {
        const slot = { tensor: target?.tensor, filled: target?.filled ?? false };
        for (const { geometry, first, weight } of parts) {
          const from = { tensor: dy(), first };
          const into = slot.tensor && { tensor: slot.tensor, filled: slot.filled };
          slot.tensor = training.inputGradient(geometry, x, from, weight, into);
          slot.filled = true;
        }
        return slot.tensor ?? emptyLike(x);
      },
      ...parts.flatMap((part) => {
        const { geometry, weight, bias } = part;
        const weightGradient: GradientThunk = (target, _gate, training) =>
          training.weightGradient(geometry, weight.shape, x, slice(part), target);
        const biasGradient: GradientThunk = (target, _gate, training) =>
          training.biasGradient(slice(part), target);
        return bias ? [weightGradient, biasGradient] : [weightGradient];
      }),
    ];
  });
}
