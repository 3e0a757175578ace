/** A method's steps, recorded one by one or taken by a `StepRunner`, for comparison to the bit. */
import { tensorFrom } from '../../src/autograd/tensor.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { Method, StepContext } from '../../src/methods/method.ts';
import { type HostImages, StepRunner } from '../../src/methods/step-runner.ts';
import type { PerceptualDistance } from '../../src/nn/perceptual/perceptual-distance.ts';
import { methodTensors, optimiserScalars } from '../../src/run/method-state.ts';
import type { OptionValues } from '../../src/run/option-values.ts';
import { openPerceptual } from '../../src/run/perceptual.ts';
import { configureTraining } from '../../src/train/training-run.ts';

/** Of these steps the batch is smaller, as the last of an epoch is. */
const SHORT = [6, 12];

/** Learning rates differ from step to step, to see that they reach the optimisers. */
const contextOf = (step: number): StepContext => ({ step, learningRate: 1e-3 / (1 + step) });

/** What is compared: all losses, weights, moments and counts. */
export type Outcome = ReadonlyMap<string, string>;

/** Names of what differs. */
export function differences(a: Outcome, b: Outcome): string[] {
  return [...new Set([...a.keys(), ...b.keys()])].filter((name) => a.get(name) !== b.get(name));
}

/** Takes `steps` steps of the methods that options of `src/train` give, on one device. */
export class RepeatedSteps {
  readonly gpu: Gpu;
  private readonly perceptual: PerceptualDistance | undefined;
  private readonly size: number;
  private readonly steps: number;

  private constructor(
    gpu: Gpu,
    perceptual: PerceptualDistance | undefined,
    size: number,
    steps: number,
  ) {
    this.gpu = gpu;
    this.perceptual = perceptual;
    this.size = size;
    this.steps = steps;
  }

  static async open(gpu: Gpu, size: number, steps: number): Promise<RepeatedSteps> {
    const perceptual = await openPerceptual(gpu, 'random-features', undefined);
    return new RepeatedSteps(gpu, perceptual, size, steps);
  }

  make(options: OptionValues): Method {
    const configuration = configureTraining({ size: this.size, ngf: 2, ndf: 2, ...options });
    return configuration.method.create(this.gpu, this.perceptual);
  }

  imagesOf(step: number): HostImages {
    const batch = SHORT.includes(step) ? 1 : 2;
    const image = (seed: number) =>
      Float32Array.from({ length: batch * this.size ** 2 }, (_, i) =>
        Math.sin(0.37 * i * seed + step),
      );
    return { low: image(1), high: image(1.1), shape: [batch, 1, this.size, this.size] };
  }

  /** Every step recorded. */
  async recorded(options: OptionValues): Promise<Outcome> {
    const { gpu } = this;
    const method = this.make(options);
    const losses: number[][] = [];
    for (let step = 0; step < this.steps; step++) {
      const { low, high, shape } = this.imagesOf(step);
      const terms = gpu.scope(() => {
        const images = { low: tensorFrom(gpu, low, shape), high: tensorFrom(gpu, high, shape) };
        return method.trainStep({ ...images, hostLow: low }, contextOf(step));
      });
      const values = [];
      for (const term of terms) values.push((await term.read())[0]);
      for (const term of new Set(terms)) term.dispose();
      losses.push(values);
    }
    const result = await outcome(method, losses);
    method.dispose();
    return result;
  }

  /**
   * Steps of a runner.
   * @param between what else the device does before a step
   * @returns also which steps were repeated
   */
  async repeated(
    options: OptionValues,
    between?: (step: number) => void,
  ): Promise<{ readonly result: Outcome; readonly replayed: readonly number[] }> {
    const method = this.make(options);
    await this.gpu.flush();
    const runner = new StepRunner(this.gpu, method);
    const losses: number[][] = [];
    const replayed: number[] = [];
    for (let step = 0; step < this.steps; step++) {
      between?.(step);
      const { replays } = runner;
      const terms = runner.step(this.imagesOf(step), contextOf(step));
      if (runner.replays > replays) replayed.push(step);
      const values = [];
      for (const term of terms) values.push((await term.read())[0]);
      losses.push(values);
    }
    const result = await outcome(method, losses);
    runner.dispose();
    method.dispose();
    return { result, replayed };
  }
}

async function outcome(method: Method, losses: number[][]): Promise<Outcome> {
  const entries: [string, string][] = losses.map((values, step) => [
    `losses of step ${step}`,
    `${values}`,
  ]);
  for (const [file, content] of Object.entries(await methodTensors(method))) {
    for (const [name, { data }] of content) entries.push([`${file}/${name}`, `${data}`]);
  }
  entries.push(['optimisers', JSON.stringify(optimiserScalars(method))]);
  return new Map(entries);
}
