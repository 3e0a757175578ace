/** Apart from `precision.ts`, because a page that enhances fetches it only for f16. */
import { elementwiseScale } from '../../kernels/elementwise.ts';
import { emptyTensor, runKernel, tensorFrom } from '../autograd/tensor.ts';
import { GpuError, UsageError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { PRECISIONS, type Precision, requirePrecision } from './precision.ts';

/** Beyond the largest f16, and the largest. */
const OVERFLOW = [1e6, -1e6, 65504, 0];

/**
 * Makes sure before a run that the device stores what f16 cannot hold as infinity: WGSL does not say so, and a
 * device that stored the largest number instead would never tell that a loss scale is too large.
 * @throws GpuError `unsupported` if it does not, or has no f16; UsageError for another precision
 */
export async function checkPrecision(gpu: Gpu, precision: Precision): Promise<void> {
  if (!PRECISIONS.includes(precision)) {
    throw new UsageError(`precision: expected ${PRECISIONS.join(' or ')}, found ${precision}`);
  }
  requirePrecision(gpu, precision);
  if (precision === 'f32') return;
  const stored = gpu.scope(() => {
    const y = emptyTensor(gpu, [OVERFLOW.length], 'f16');
    runKernel(elementwiseScale(1, y.size), [tensorFrom(gpu, OVERFLOW, y.shape), y]);
    return y;
  });
  const found = [...(await stored.read())];
  stored.dispose();
  const { POSITIVE_INFINITY: infinity } = Number;
  const isSound = [infinity, -infinity, 65504, 0].every((value, index) => value === found[index]);
  if (isSound) return;
  throw new GpuError(
    'unsupported',
    `precision f16: ${gpu.description} stores ${OVERFLOW.join(', ')} as ${found.join(', ')}, so that overflow would not be noticed: choose another adapter, or precision f32`,
  );
}
