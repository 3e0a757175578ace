import type { Gpu } from './gpu.ts';
import { Program } from './program.ts';

/**
 * Runs `body` and makes a program of the commands that it records: it is complete once they are submitted.
 * Tensors that `body` returns must live as long as the program is run.
 * @throws GpuError `validation` if recorded commands wait already
 */
export function recordProgram<T>(
  gpu: Gpu,
  body: () => T,
): { readonly result: T; readonly program: Program } {
  const { device, recorder } = gpu;
  const program = new Program(device.queue, (storage) => recorder.endUse(storage));
  recorder.beginProgram(program);
  try {
    return { result: body(), program };
  } finally {
    recorder.endProgram();
  }
}
