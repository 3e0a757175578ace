import type { Batch } from '../data/loader.ts';
import { NumericalError } from '../errors.ts';

/** Tensors a message lists at most. */
const NAMED_IN_MESSAGE = 8;

function countBad(data: Float32Array, start = 0, end = data.length): number {
  let count = 0;
  for (let i = start; i < end; i++) if (!Number.isFinite(data[i])) count++;
  return count;
}

/**
 * Looks at a batch before it goes to the device: afterwards NaN is everywhere, and where it came from
 * is lost.
 * @throws NumericalError naming the images that hold NaN or infinity, and how many pixels
 */
export function assertFiniteBatch(batch: Batch, step: number): void {
  const pixels = batch.low.length / batch.names.length;
  const found: string[] = [];
  for (const domain of ['low', 'high'] as const) {
    batch.names.forEach((name, index) => {
      const count = countBad(batch[domain], index * pixels, (index + 1) * pixels);
      const own = { organ: batch.organs[index], name };
      const owner = (domain === 'high' && batch.highPairs?.[index]) || own;
      const pair = `${owner.organ}/${owner.name}`;
      if (count > 0) found.push(`${domain} image of ${pair} (${count} of ${pixels} pixels)`);
    });
  }
  if (found.length) {
    throw new NumericalError(`step ${step}: NaN or infinity in the ${found.join(', ')}`);
  }
}

/**
 * Looks at everything that a checkpoint is to hold: one with NaN would be resumed from in vain.
 * @param files tensors by file, then by name
 * @throws NumericalError naming the tensors that hold NaN or infinity, and how many elements
 */
export function assertFiniteTensors(
  files: Readonly<
    Record<string, ReadonlyMap<string, { readonly data: { readonly length: number } }>>
  >,
  step: number,
): void {
  const found: string[] = [];
  for (const tensors of Object.values(files)) {
    for (const [name, { data }] of tensors) {
      const count = data instanceof Float32Array ? countBad(data) : 0;
      if (count > 0) found.push(`${name} (${count} of ${data.length})`);
    }
  }
  if (!found.length) return;
  const more =
    found.length > NAMED_IN_MESSAGE ? ` and ${found.length - NAMED_IN_MESSAGE} more` : '';
  throw new NumericalError(
    `step ${step}: NaN or infinity in ${found.slice(0, NAMED_IN_MESSAGE).join(', ')}${more}; no checkpoint of this step was written`,
  );
}
