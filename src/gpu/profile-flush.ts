/** Apart from `Gpu`, because a page that enhances times nothing. */
import { GpuError } from '../errors.ts';
import type { Gpu } from './gpu.ts';
import { type DispatchTime, DispatchTimer } from './timestamps.ts';

/**
 * Submits what was recorded with every dispatch timed, in the order of the record.
 * @throws GpuError `unsupported` if the device lacks `timestamp-query`
 */
export async function profileFlush(gpu: Gpu): Promise<DispatchTime[]> {
  if (!gpu.device.features.has('timestamp-query')) {
    throw new GpuError('unsupported', 'timing dispatches needs the feature timestamp-query');
  }
  const timer = new DispatchTimer(gpu.device);
  gpu.recorder.timer = timer;
  try {
    await gpu.finish();
  } finally {
    gpu.recorder.timer = undefined;
  }
  return timer.times();
}
