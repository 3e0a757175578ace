import { countNonFiniteKernel } from '../../kernels/finite.ts';
import { lossScaleSettings, updateLossScale } from '../../kernels/loss-scale.ts';
import { emptyTensor, Tensor } from '../autograd/tensor.ts';
import { CheckpointError, UsageError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Storage } from '../gpu/storage.ts';
import { type Adam, type LearningRate, rateAt } from './adam.ts';
import { GradientScaler, type GradientScalerOptions } from './gradient-scaler.ts';

/** All that a resumed run needs of a loss scaler; f32 numbers. */
export interface LossScalerState {
  readonly scale: number;
  /** Finite steps since the scale last changed. */
  readonly counter: number;
  /** Updates made: what Adam's bias corrections count. */
  readonly applied: number;
  /** Steps left out. */
  readonly skipped: number;
}

/** A number that a scaler keeps on the device. */
export interface ScalerValue {
  readonly name: 'scale' | 'skipped';
  readonly storage: Storage;
  /** In bytes. */
  readonly offset: number;
}

const FIELDS = ['scale', 'counter', 'applied', 'skipped'] as const;

/** A step whose gradients are not finite at this scale is not one of too large a scale. */
export const LOWEST_SCALE = 1;

/**
 * A `GradientScaler` that lives on the device: whether gradients are finite, and so whether the optimiser
 * makes its step and what becomes of the scale, is decided by kernels, so that training goes on without
 * waiting for an answer.
 *
 *     backward(loss, parameters, scaler.cotangent());
 *     scaler.update(optimisers, learningRate);
 */
export class LossScaler {
  private readonly gpu: Gpu;
  private readonly options: Required<GradientScalerOptions>;
  /** scale, counter, applied, skipped. */
  private readonly state: Tensor;

  /** @throws UsageError if a setting is out of range */
  constructor(gpu: Gpu, options: GradientScalerOptions = {}) {
    this.gpu = gpu;
    const rules = new GradientScaler(options);
    this.options = rules.options;
    const storage = gpu.upload(Float32Array.of(rules.scale, 0, 0, 0));
    gpu.keep(storage);
    this.state = new Tensor(gpu, [FIELDS.length], storage);
  }

  /** What to start `backward` from: the scale as it is now, a scalar `[]`. */
  cotangent(): Tensor {
    const scale = emptyTensor(this.gpu, []);
    this.gpu.copy(this.state.storage, scale.storage, 4);
    return scale;
  }

  /**
   * Records dividing the gradients of some optimisers by the scale, their step, and the scale's own; if a
   * gradient is NaN or infinite, no optimiser makes its step.
   * @throws UsageError if the optimisers' settings differ; ShapeError if a parameter has no gradient
   */
  update(optimisers: readonly Adam[], learningRate: LearningRate): void {
    const [first, ...others] = optimisers;
    const { options } = first;
    if (others.some((other) => JSON.stringify(other.options) !== JSON.stringify(options))) {
      throw new UsageError('loss scaler: optimisers that step together need the same settings');
    }
    const { gpu } = this;
    gpu.scope(() => {
      const count = gpu.allocate(4);
      gpu.clear(count);
      const slot = gpu.upload(Uint32Array.of(0));
      for (const { gradient, length } of optimisers.flatMap((optimiser) => optimiser.arenas())) {
        gpu.run(countNonFiniteKernel(length), [gradient, slot, count]);
      }
      const settings = gpu.uploadEachTime((moment) => {
        const rate = rateAt(learningRate, moment);
        return lossScaleSettings({ ...options, ...this.options, learningRate: rate });
      });
      const hyper = gpu.allocate(3 * 16);
      gpu.run(updateLossScale(), [count, settings, this.state.storage, hyper]);
      for (const optimiser of optimisers) optimiser.stepIfFinite(hyper);
    });
  }

  /** What a log wants to know. */
  values(): readonly ScalerValue[] {
    return (['scale', 'skipped'] as const).map((name) => ({
      name,
      storage: this.state.storage,
      offset: 4 * FIELDS.indexOf(name),
    }));
  }

  /** Brings the state to the host. */
  async readState(): Promise<LossScalerState> {
    const [scale, counter, applied, skipped] = await this.state.read();
    return { scale, counter, applied, skipped };
  }

  /**
   * @param source what to call the state in messages
   * @throws CheckpointError if that is no state of a scaler with these settings
   */
  writeState(state: unknown, source: string): void {
    const fields = typeof state === 'object' && state !== null ? { ...state } : {};
    const { scale, counter, applied, skipped } = fields as Record<string, unknown>;
    const isCount = (value: unknown): value is number =>
      Number.isSafeInteger(value) && Number(value) >= 0;
    if (typeof scale !== 'number' || !isCount(counter) || !isCount(applied) || !isCount(skipped)) {
      throw new CheckpointError(
        `${source}: expected ${FIELDS.join(', ')} of a loss scaler, found ${JSON.stringify(state) ?? 'none'}`,
      );
    }
    try {
      new GradientScaler(this.options).restore({ scale, counter });
    } catch (error) {
      throw new CheckpointError(`${source}: ${(error as Error).message}`, { cause: error });
    }
    this.gpu.write(this.state.storage, Float32Array.of(scale, counter, applied, skipped));
  }

  dispose(): void {
    this.state.dispose();
  }
}
