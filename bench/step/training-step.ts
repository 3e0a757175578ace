import type { Tensor } from '../../src/autograd/tensor.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import {
  PROPOSED_DEFAULTS,
  ProposedMethod,
  type ProposedOptions,
} from '../../src/methods/proposed.ts';
import { type HostImages, StepRunner } from '../../src/methods/step-runner.ts';
import { PerceptualDistance } from '../../src/nn/perceptual/perceptual-distance.ts';
import type { PerceptualFile } from '../../src/run/perceptual.ts';
import { noise } from '../cases/kernel-case.ts';
import { mainNanoseconds } from '../worker-time.ts';
import { levelsOf, type StepShape } from './step-shape.ts';

const LEARNING_RATE = 3e-4;

function hostMilliseconds(): number {
  const nanoseconds = mainNanoseconds();
  return nanoseconds === undefined ? performance.now() : nanoseconds / 1e6;
}

/** A batch of noise images in [-1,1], NCHW. */
export function stepImages(shape: StepShape): { low: Float32Array; high: Float32Array } {
  const image = (seed: number) =>
    noise(shape.batch * shape.size ** 2, seed).map((value) => value / 2);
  return { low: image(1), high: image(2) };
}

/** The proposed method on a device with a batch of noise, ready to take steps. */
export class TrainingStep {
  readonly method: ProposedMethod;
  private readonly gpu: Gpu;
  private readonly perceptual: PerceptualDistance;
  private readonly runner: StepRunner;
  private readonly images: HostImages;
  private steps = 0;

  /** @param options what differs from the paper's settings besides the sizes */
  constructor(
    gpu: Gpu,
    shape: StepShape,
    perceptual: PerceptualFile,
    options: Partial<ProposedOptions> = {},
  ) {
    this.gpu = gpu;
    this.perceptual = new PerceptualDistance(gpu, perceptual.name, perceptual.weights);
    this.method = new ProposedMethod(
      gpu,
      {
        ...PROPOSED_DEFAULTS,
        ngf: shape.ngf,
        ndf: shape.ndf,
        levels: levelsOf(shape),
        ...options,
      },
      this.perceptual,
    );
    this.runner = new StepRunner(gpu, this.method);
    const extents = [shape.batch, 1, shape.size, shape.size] as const;
    this.images = { ...stepImages(shape), shape: extents };
  }

  /**
   * Records and submits one step, as the trainer does; does not wait for it.
   * @returns milliseconds of the host until all is submitted: processor time of the main thread where
   *   the system tells it, else elapsed time
   */
  async take(): Promise<number> {
    const start = hostMilliseconds();
    this.record();
    await this.gpu.flush();
    return hostMilliseconds() - start;
  }

  /** Records or repeats one step. @returns its losses, good until the next */
  record(): readonly Tensor[] {
    return this.runner.step(this.images, { step: this.steps++, learningRate: LEARNING_RATE });
  }

  /** One more step, whose losses are read back by name. */
  async takeAndReadLosses(): Promise<Map<string, number>> {
    const losses = this.record();
    const values = new Map<string, number>();
    for (const [index, loss] of losses.entries()) {
      const [value] = await loss.read();
      values.set(this.method.lossNames[index], value);
    }
    return values;
  }

  dispose(): void {
    this.runner.dispose();
    this.method.dispose();
    this.perceptual.dispose();
  }
}
