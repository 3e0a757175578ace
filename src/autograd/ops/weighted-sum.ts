import {
  MAX_SCALARS,
  weightedSumGradient,
  weightedSumKernel,
} from '../../../kernels/weighted-sum.ts';
import { ShapeError } from '../../errors.ts';
import { attach } from '../tape.ts';
import { emptyTensor, formatShape, runKernel, type Shape, type Tensor } from '../tensor.ts';
import { requireFinite } from './check.ts';

/**
 * Σ weight·scalar, a scalar `[]`: the total of a loss's terms. Up to 7 terms take one dispatch, each
 * further 6 one more. The weights are compiled into the kernel.
 * @throws ShapeError if the numbers of scalars and weights differ, there are none, or one is no scalar;
 *   UsageError if 32-bit floats cannot hold a weight
 */
export function weightedSum(scalars: readonly Tensor[], weights: readonly number[]): Tensor {
  if (!scalars.length || scalars.length !== weights.length) {
    throw new ShapeError(
      `weightedSum needs as many weights as scalars, found ${scalars.length} scalars and ${weights.length} weights`,
    );
  }
  requireFinite('weightedSum', 'weights', ...weights);
  for (const scalar of scalars) {
    if (scalar.size !== 1) {
      throw new ShapeError(`weightedSum needs scalars, found ${formatShape(scalar.shape)}`);
    }
  }
  const { gpu } = scalars[0];
  let total: Tensor | undefined;
  for (let done = 0; done < scalars.length; ) {
    const take = total ? MAX_SCALARS - 1 : MAX_SCALARS;
    const next = emptyTensor(gpu, []);
    const before = total ? [total] : [];
    const kernel = weightedSumKernel([...before.map(() => 1), ...weights.slice(done, done + take)]);
    runKernel(kernel, [...before, ...scalars.slice(done, done + take), next]);
    total = next;
    done += take;
  }
  const y = total as Tensor;
  return attach(y, 'weighted_sum', scalars, (dy, wanted) => {
    const terms = scalars.map(({ shape }, k) => ({ weight: weights[k], shape }));
    let gradients: ReadonlyMap<string, Tensor> | undefined;
    return terms.map((term) => () => {
      gradients ??= gradientsOf(
        dy,
        terms.filter((_, index) => wanted[index]),
      );
      return gradients.get(keyOf(term)) as Tensor;
    });
  });
}

interface Term {
  readonly weight: number;
  /** Of one element. */
  readonly shape: Shape;
}

const keyOf = ({ weight, shape }: Term): string => `${weight} ${formatShape(shape)}`;

/** weight·dy for every different term: those of one weight share it, and that of weight 1 is dy itself. */
function gradientsOf(dy: Tensor, terms: readonly Term[]): ReadonlyMap<string, Tensor> {
  const gradients = new Map([[keyOf({ weight: 1, shape: dy.shape }), dy]]);
  const others = new Map(terms.map((term) => [keyOf(term), term]));
  for (const key of gradients.keys()) others.delete(key);
  const entries = [...others];
  for (let done = 0; done < entries.length; done += MAX_SCALARS) {
    const part = entries.slice(done, done + MAX_SCALARS);
    const made = part.map(([, { shape }]) => emptyTensor(dy.gpu, shape));
    runKernel(weightedSumGradient(part.map(([, { weight }]) => weight)), [dy, ...made]);
    for (const [k, [key]] of part.entries()) gradients.set(key, made[k]);
  }
  return gradients;
}
