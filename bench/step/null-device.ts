import { GpuError } from '../../src/errors.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { openAdapter } from '../../src/gpu/open-gpu.ts';
import type { PerceptualFile } from '../../src/run/perceptual.ts';
import { type Repeats, summariseRepeats } from '../measure/statistics.ts';
import { PAPER_SHAPE, type StepShape } from './step-shape.ts';
import { TrainingStep } from './training-step.ts';

/**
 * A device that does nothing: Dawn's null backend validates and records everything and runs nothing,
 * so that what is left is the time of the host.
 * @throws GpuError if Dawn was built without it
 */
export async function openNullGpu(): Promise<Gpu> {
  const webgpu = await import('webgpu');
  const instance = webgpu.create(['backend=null']);
  const adapter = await instance.requestAdapter();
  if (!adapter) throw new GpuError('no-adapter', "Dawn's null backend is not there");
  return openAdapter(adapter, { keepAlive: instance, description: "Dawn's null backend" });
}

/**
 * The paper's step with fewer channels. Host time depends on the number of dispatches, not on what
 * each does, and the null backend hands out half a GiB at most.
 */
export const HOST_SHAPE: StepShape = { ...PAPER_SHAPE, ngf: 8, ndf: 8, batch: 1 };

export interface HostResult {
  readonly shape: StepShape;
  /** Milliseconds of a step on the host: tape, recording, encoding, submitting. */
  readonly milliseconds: Repeats;
  readonly dispatches: number;
}

/** Steps until the engine's code is compiled by V8 as far as it will be. */
const WARM_UP = 60;

/** Steps that are timed as one: the system counts a thread's processor time in ticks of some milliseconds. */
const STEPS_A_REPEAT = 50;

/** Host time of a steady step. */
export async function measureHost(
  shape: StepShape,
  perceptual: PerceptualFile,
  repeats: number,
): Promise<HostResult> {
  const gpu = await openNullGpu();
  const step = new TrainingStep(gpu, shape, perceptual);
  for (let i = 0; i < WARM_UP; i++) {
    await step.take();
    await gpu.device.queue.onSubmittedWorkDone();
  }
  const before = gpu.recorder.dispatches;
  const times: number[] = [];
  for (let i = 0; i < repeats; i++) {
    let sum = 0;
    for (let k = 0; k < STEPS_A_REPEAT; k++) {
      sum += await step.take();
      await gpu.device.queue.onSubmittedWorkDone();
    }
    times.push(sum / STEPS_A_REPEAT);
  }
  const milliseconds = summariseRepeats(times);
  const dispatches = (gpu.recorder.dispatches - before) / (repeats * STEPS_A_REPEAT);
  step.dispose();
  gpu.close();
  return { shape, milliseconds, dispatches };
}
