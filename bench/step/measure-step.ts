import { tuneConvolutions } from '../../src/autograd/tuning/tune.ts';
import { GpuError, NumericalError } from '../../src/errors.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { Precision } from '../../src/methods/precision.ts';
import type { PerceptualFile } from '../../src/run/perceptual.ts';
import type { Clock } from '../measure/clock.ts';
import { type Repeats, summariseRepeats } from '../measure/statistics.ts';
import type { StepShape } from './step-shape.ts';
import { TrainingStep } from './training-step.ts';

export interface StepResult {
  readonly shape: StepShape;
  readonly perceptual: string;
  readonly precision: Precision;
  /** Seconds by the clock, and elapsed. */
  readonly seconds: Repeats;
  readonly wallSeconds: Repeats;
  /** Milliseconds until a step was recorded and submitted, while the driver worked on it. */
  readonly hostMilliseconds: number;
  /** Seconds of the first step, compilation included. */
  readonly firstSeconds: number;
  readonly dispatches: number;
  readonly pipelines: number;
  /** Made during the timed steps, per step. */
  readonly bindGroupsPerStep: number;
  readonly pipelinesPerStep: number;
  readonly peakBytes: number;
  /** Most that a step holds at once besides what is in use between two steps: weights, gradients, moments. */
  readonly stepBytes: number;
  /** Largest single buffer binding that the device allows. */
  readonly bindingLimit: number;
}

/**
 * Most steps before the timed ones. They end as soon as a step makes no bind group: then the pool has
 * found its final choice of buffers.
 */
const WARM_UP = 8;

/**
 * Times training steps, with kernels chosen as the device was opened to (`tune`).
 * @throws NumericalError if a loss is not finite (a rejected dispatch would show there)
 */
export async function measureStep(
  gpu: Gpu,
  clock: Clock,
  shape: StepShape,
  perceptual: PerceptualFile,
  options: {
    readonly repeats: number;
    readonly warmUp?: number;
    readonly precision?: Precision;
  },
): Promise<StepResult> {
  const { precision = 'f32' } = options;
  const recordStep = (blank: Gpu) =>
    new TrainingStep(blank, shape, perceptual, { precision }).record();
  await tuneConvolutions(gpu, recordStep, { log: console.log });
  const start = performance.now();
  const step = new TrainingStep(gpu, shape, perceptual, { precision });
  try {
    const losses = await step.takeAndReadLosses();
    const firstSeconds = (performance.now() - start) / 1000;
    for (const [name, value] of losses) {
      if (!Number.isFinite(value)) throw new NumericalError(`loss ${name} is ${value}`);
    }
    const once = async (): Promise<number> => {
      const host = await step.take();
      await gpu.finish();
      return host;
    };
    const { recorder, pipelines } = gpu;
    for (let i = 1; i < (options.warmUp ?? WARM_UP); i++) {
      const made = recorder.bindGroupsCreated;
      await once();
      if (recorder.bindGroupsCreated === made) break;
    }
    const before = {
      dispatches: recorder.dispatches,
      bindGroups: recorder.bindGroupsCreated,
      pipelines: pipelines.size,
    };
    const [seconds, wall, host]: number[][] = [[], [], []];
    for (let i = 0; i < options.repeats; i++) {
      const lapse = await clock.measure(async () => {
        host.push(await once());
      });
      seconds.push(lapse.milliseconds / 1000);
      wall.push(lapse.wall / 1000);
    }
    const { peakBytes, peakLiveBytes, liveBytes } = gpu.memory();
    return {
      shape,
      perceptual: perceptual.name,
      precision,
      seconds: summariseRepeats(seconds),
      wallSeconds: summariseRepeats(wall),
      hostMilliseconds: summariseRepeats(host).median,
      firstSeconds,
      dispatches: (recorder.dispatches - before.dispatches) / options.repeats,
      pipelines: pipelines.size,
      bindGroupsPerStep: (recorder.bindGroupsCreated - before.bindGroups) / options.repeats,
      pipelinesPerStep: (pipelines.size - before.pipelines) / options.repeats,
      peakBytes,
      stepBytes: peakLiveBytes - liveBytes,
      bindingLimit: gpu.device.limits.maxStorageBufferBindingSize,
    };
  } finally {
    step.dispose();
  }
}

/** Steps after which nothing may grow. */
const SETTLED = 6;

/**
 * Takes `steps` steps and compares bytes and buffers in use with those after the first few.
 * @throws GpuError if something grew
 */
export async function checkLeaks(
  gpu: Gpu,
  shape: StepShape,
  perceptual: PerceptualFile,
  steps: number,
): Promise<string> {
  const inventory = () => {
    const { liveBytes, liveBuffers, pooledBytes, peakBytes } = gpu.memory();
    return { liveBytes, liveBuffers, pooledBytes, peakBytes, pipelines: gpu.pipelines.size };
  };
  const empty = gpu.memory();
  const step = new TrainingStep(gpu, shape, perceptual);
  let settled: string | undefined;
  for (let i = 1; i <= Math.max(steps, SETTLED + 1); i++) {
    await step.take();
    await gpu.finish();
    if (i < SETTLED) continue;
    const now = JSON.stringify(inventory());
    settled ??= now;
    if (now !== settled) {
      throw new GpuError('out-of-memory', `step ${i} holds ${now}, step ${SETTLED} ${settled}`);
    }
  }
  step.dispose();
  const after = gpu.memory();
  if (after.liveBytes !== empty.liveBytes || after.liveBuffers !== empty.liveBuffers) {
    throw new GpuError(
      'out-of-memory',
      `${after.liveBuffers - empty.liveBuffers} buffers of ${after.liveBytes - empty.liveBytes} bytes are left after the end`,
    );
  }
  return `${steps} steps hold not a byte more than ${SETTLED}, and all is given back`;
}
