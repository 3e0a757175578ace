import type { Gpu } from '../../src/gpu/gpu.ts';
import type { Submitter } from './repeat.ts';

/**
 * A device as something that work can be timed on. The recorder is asked directly: `gpu.flush` would
 * count the work as something that the next `gpu.read` has to sleep for, long after it is done.
 */
export function submitterOf(gpu: Gpu): Submitter {
  return {
    flush: () => gpu.recorder.flush(),
    done: () => gpu.device.queue.onSubmittedWorkDone(),
  };
}
