import { addNoise } from '../autograd/ops/add-noise.ts';
import { add, multiply, subtract } from '../autograd/ops/arithmetic.ts';
import { certaintyWeights } from '../autograd/ops/certainty.ts';
import { l1Loss } from '../autograd/ops/losses.ts';
import { scale } from '../autograd/ops/scale.ts';
import { noGrad } from '../autograd/tape.ts';
import { type Tensor, zeros } from '../autograd/tensor.ts';

/** How a teacher is asked. */
export interface TeacherOptions {
  /** Passes over the input, each with noise of its own. */
  readonly passes: number;
  /** Standard deviation of the noise. */
  readonly noise: number;
  /** Share of each image's pixels, the surest, that count. */
  readonly kept: number;
}

/** What a teacher says of a batch. */
export interface TeacherOpinion {
  /** Mean of its passes. */
  readonly label: Tensor;
  /** Weights of the pixels that it is sure of, 1 in sum for each image; 0 elsewhere. */
  readonly weights: Tensor;
}

/**
 * Asks a teacher several times, with noise on the input: the mean is what it thinks, the variance how unsure it is.
 * Nothing is differentiated.
 * @param teacher from images to images, in training mode or not as it likes
 * @param draw seed and step of the noise
 */
export function askTeacher(
  teacher: (x: Tensor) => Tensor,
  x: Tensor,
  { passes, noise, kept }: TeacherOptions,
  draw: { readonly seed: number; readonly step: number },
): TeacherOpinion {
  return noGrad(() => {
    const answers = Array.from({ length: passes }, (_, site) =>
      teacher(addNoise(x, noise, { ...draw, site })),
    );
    const label = meanOf(answers);
    const variance = meanOf(
      answers.map((answer) => {
        const difference = subtract(answer, label);
        return multiply(difference, difference);
      }),
    );
    return { label, weights: certaintyWeights(variance, kept) };
  });
}

/** Mean over images of the mean |student - label| over the pixels that the teacher is sure of, a scalar. */
export function consistency(student: Tensor, { label, weights }: TeacherOpinion): Tensor {
  const difference = multiply(subtract(student, label), weights);
  const distance = l1Loss(difference, zeros(student.gpu, student.shape));
  return scale(distance, student.size / student.shape[0]);
}

/**
 * How much consistency counts at a step: λ·e^(-5(1-t/T)²) rising over the first T steps, then λ.
 * @param ramp T
 */
export function consistencyWeight(lambda: number, step: number, ramp: number): number {
  if (step >= ramp) return lambda;
  return lambda * Math.exp(-5 * (1 - step / ramp) ** 2);
}

function meanOf(tensors: readonly Tensor[]): Tensor {
  return scale(
    tensors.reduce((sum, tensor) => add(sum, tensor)),
    1 / tensors.length,
  );
}
