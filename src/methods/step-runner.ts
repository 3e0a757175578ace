import { emptyTensor, type Tensor } from '../autograd/tensor.ts';
import type { KernelChoices } from '../gpu/choices.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Program } from '../gpu/program.ts';
import { recordProgram } from '../gpu/record-program.ts';
import type { Method, StepContext } from './method.ts';

/** A batch on the host: both images `shape` = `[N,1,H,W]` in [-1,1]. */
export interface HostImages {
  readonly low: Float32Array;
  readonly high: Float32Array;
  readonly shape: readonly [number, number, number, number];
}

/** Recordings that are made in the hope that two in a row are equal, before they are no longer kept. */
const MOST_RECORDINGS = 16;

/** What is kept for batches of one shape. */
interface Kept {
  readonly low: Tensor;
  readonly high: Tensor;
  /** The last step's. */
  losses: readonly Tensor[];
  /** The last step as it was recorded. */
  program: Program | undefined;
  /** Kernel choices that it was recorded under. */
  choices: KernelChoices | undefined;
  /** Whether the two last recordings were equal, so that the program may stand for further steps. */
  confirmed: boolean;
  recordings: number;
}

/**
 * Takes the training steps of a method. A step is recorded (tape, shapes, plans, buffers: 5 to 10 µs of the
 * host a dispatch) until two recordings in a row are the same; from then on the recorded commands are
 * submitted again, with new images, random keys and optimiser settings. The device is asked for the
 * very same, so results are the same bits.
 */
export class StepRunner {
  /** Steps that were not recorded anew. */
  replays = 0;
  private readonly gpu: Gpu;
  private readonly method: Method;
  private readonly byShape = new Map<string, Kept>();

  constructor(gpu: Gpu, method: Method) {
    this.gpu = gpu;
    this.method = method;
  }

  /**
   * Records or repeats one step; `Gpu.flush` is the caller's, before the next.
   * @returns one scalar tensor per loss name, the runner's own: good until the next step
   */
  step(images: HostImages, context: StepContext): readonly Tensor[] {
    const kept = this.keptFor(images);
    this.gpu.write(kept.low.storage, images.low);
    this.gpu.write(kept.high.storage, images.high);
    if (this.repeat(kept, images, context)) return kept.losses;
    return this.record(kept, images, context);
  }

  dispose(): void {
    for (const kept of this.byShape.values()) {
      this.forget(kept);
      kept.low.dispose();
      kept.high.dispose();
    }
    this.byShape.clear();
  }

  private keptFor({ shape }: HostImages): Kept {
    const key = shape.join();
    let kept = this.byShape.get(key);
    if (!kept) {
      kept = {
        low: emptyTensor(this.gpu, shape).keep(),
        high: emptyTensor(this.gpu, shape).keep(),
        losses: [],
        program: undefined,
        choices: undefined,
        confirmed: false,
        recordings: 0,
      };
      this.byShape.set(key, kept);
    }
    return kept;
  }

  private repeat(kept: Kept, { low: hostLow }: HostImages, context: StepContext): boolean {
    const { program, confirmed, choices } = kept;
    if (!program || !confirmed || choices !== this.gpu.choices) return false;
    if (!this.gpu.recorder.replay(program, { ...context, hostLow })) return false;
    this.replays++;
    return true;
  }

  private record(
    kept: Kept,
    { low: hostLow }: HostImages,
    context: StepContext,
  ): readonly Tensor[] {
    const { gpu, method } = this;
    const before = kept.program;
    // What the last recording holds is free for this one, so that it comes to the same buffers.
    this.forget(kept);
    const body = (): readonly Tensor[] =>
      gpu
        .scope(() => method.trainStep({ low: kept.low, high: kept.high, hostLow }, context))
        .map((loss) => loss.keep());
    const isWorthKeeping = method.isReplayable && kept.recordings < MOST_RECORDINGS;
    if (!isWorthKeeping || gpu.recorder.pendingCommands > 0) {
      kept.losses = body();
      return kept.losses;
    }
    const { result, program } = recordProgram(gpu, body);
    kept.losses = result;
    kept.program = program;
    kept.choices = gpu.choices;
    kept.recordings++;
    program.onComplete = () => {
      kept.confirmed = before?.equals(program) ?? false;
      if (kept.confirmed) kept.recordings = 0;
    };
    return result;
  }

  private forget(kept: Kept): void {
    kept.program?.dispose();
    kept.program = undefined;
    kept.confirmed = false;
    for (const loss of new Set(kept.losses)) loss.dispose();
    kept.losses = [];
  }
}
