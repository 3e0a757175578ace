import { tensorFrom } from '../../src/autograd/tensor.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import {
  PROPOSED_DEFAULTS,
  ProposedMethod,
  type ProposedOptions,
} from '../../src/methods/proposed.ts';
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
  private readonly images: { readonly low: Float32Array; readonly high: Float32Array };
  private readonly shape: StepShape;
  private steps = 0;

  /** @param options what differs from the paper's settings besides the sizes */
  constructor(
    gpu: Gpu,
    shape: StepShape,
    perceptual: PerceptualFile,
    options: Partial<ProposedOptions> = {},
  ) {
    this.gpu = gpu;
    this.shape = shape;
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
    this.images = stepImages(shape);
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

  /** Records one step. */
  record(): void {
    const { gpu, shape } = this;
    gpu.scope(() => {
      const extents = [shape.batch, 1, shape.size, shape.size];
      const low = tensorFrom(gpu, this.images.low, extents);
      const high = tensorFrom(gpu, this.images.high, extents);
      this.method.trainStep({ low, high }, { step: this.steps, learningRate: LEARNING_RATE });
    });
    this.steps++;
  }

  /** One more step, whose losses are read back by name. */
  async takeAndReadLosses(): Promise<Map<string, number>> {
    const { gpu, shape } = this;
    const extents = [shape.batch, 1, shape.size, shape.size];
    const losses = gpu.scope(() => {
      const low = tensorFrom(gpu, this.images.low, extents);
      const high = tensorFrom(gpu, this.images.high, extents);
      const context = { step: this.steps, learningRate: LEARNING_RATE };
      return this.method.trainStep({ low, high }, context);
    });
    this.steps++;
    const values = new Map<string, number>();
    for (const [index, loss] of losses.entries()) {
      const [value] = await loss.read();
      values.set(this.method.lossNames[index], value);
      loss.dispose();
    }
    return values;
  }

  dispose(): void {
    this.method.dispose();
    this.perceptual.dispose();
  }
}
