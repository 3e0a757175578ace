import { countNonFiniteKernel } from '../../kernels/finite.ts';
import { NumericalError } from '../errors.ts';
import type { Tensor } from './tensor.ts';

/** A tensor and what messages call it. */
export interface NamedTensor {
  readonly name: string;
  readonly tensor: Tensor;
}

/** Tensors a message lists at most. */
const NAMED_IN_MESSAGE = 5;

/**
 * Submits what was recorded and counts the elements that are NaN or infinite, by their bits. All
 * tensors take one read-back of four bytes each. Tensors without any are not in the result.
 */
export async function countNonFinite(
  tensors: readonly NamedTensor[],
): Promise<Map<string, number>> {
  const filled = tensors.filter(({ tensor }) => tensor.size > 0);
  const result = new Map<string, number>();
  if (!filled.length) return result;
  const { gpu } = filled[0].tensor;
  const counts = gpu.scope(() => {
    const storage = gpu.allocate(filled.length * 4);
    gpu.clear(storage);
    filled.forEach(({ tensor }, index) => {
      const slot = gpu.upload(Uint32Array.of(index));
      gpu.run(countNonFiniteKernel(tensor.size), [tensor.storage, slot, storage]);
    });
    return storage;
  });
  const values = new Uint32Array(await gpu.read(counts, filled.length));
  gpu.dispose(counts);
  filled.forEach(({ name }, index) => {
    if (values[index] > 0) result.set(name, (result.get(name) ?? 0) + values[index]);
  });
  return result;
}

/** @throws NumericalError naming the tensors that hold NaN or infinity, and how many elements. */
export async function assertFinite(tensors: readonly NamedTensor[]): Promise<void> {
  const found = await countNonFinite(tensors);
  if (!found.size) return;
  const sizes = new Map(tensors.map(({ name, tensor }) => [name, tensor.size]));
  const listed = [...found]
    .slice(0, NAMED_IN_MESSAGE)
    .map(([name, count]) => `${name} (${count} of ${sizes.get(name)} elements)`);
  const more = found.size > listed.length ? ` and ${found.size - listed.length} more` : '';
  throw new NumericalError(`NaN or infinity in ${listed.join(', ')}${more}`);
}
