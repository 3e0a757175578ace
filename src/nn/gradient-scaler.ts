import { UsageError } from '../errors.ts';

export interface GradientScalerOptions {
  /** First scale; default 65536. */
  readonly initial?: number;
  /** Factor after `interval` finite steps; default 2. */
  readonly growth?: number;
  /** Factor after a step with NaN or infinity; default 0.5. */
  readonly backoff?: number;
  /** Finite steps in a row before the scale grows; default 2000. */
  readonly interval?: number;
}

/** All that a resumed run needs. */
export interface GradientScalerState {
  readonly scale: number;
  /** Finite steps since the scale last changed. */
  readonly counter: number;
}

/**
 * The state machine that keeps half-precision gradients in range (`torch/amp/grad_scaler.py`,
 * `AmpKernels.cu`): the loss is multiplied by `scale` before the backward pass, gradients by
 * `inverseScale` before the optimiser, whose step is left out if any of them is not finite.
 *
 *     not finite:  scale ← scale·backoff, counter ← 0
 *     finite:      counter ← counter + 1; at `interval`, scale ← scale·growth if that is finite
 *                  in f32, and counter ← 0
 *
 * The scale is an f32 number, as PyTorch's. One scaler an optimiser.
 */
export class GradientScaler {
  readonly options: Required<GradientScalerOptions>;
  private current: { scale: number; counter: number };

  /** @throws UsageError if a setting is out of range */
  constructor(options: GradientScalerOptions = {}) {
    const { initial = 65536, growth = 2, backoff = 0.5, interval = 2000 } = options;
    this.options = { initial, growth, backoff, interval };
    const isSound =
      initial > 0 &&
      Number.isFinite(Math.fround(initial)) &&
      growth > 1 &&
      Number.isFinite(growth) &&
      backoff > 0 &&
      backoff < 1 &&
      Number.isSafeInteger(interval) &&
      interval > 0;
    if (!isSound) {
      throw new UsageError(
        `gradient scaler: expected a positive first scale, growth above 1, backoff between 0 and 1 and a whole interval, found ${initial}, ${growth}, ${backoff}, ${interval}`,
      );
    }
    this.current = { scale: Math.fround(initial), counter: 0 };
  }

  /** What the loss is multiplied by. */
  get scale(): number {
    return this.current.scale;
  }

  /** What gradients are multiplied by: the reciprocal, taken in double and rounded to f32. */
  get inverseScale(): number {
    return Math.fround(1 / this.current.scale);
  }

  /**
   * Takes note of one step.
   * @param foundNonFinite whether a gradient was NaN or infinite
   * @returns whether the optimiser is to make its step
   */
  update(foundNonFinite: boolean): boolean {
    const { growth, backoff, interval } = this.options;
    if (foundNonFinite) {
      this.current = { scale: Math.fround(this.current.scale * backoff), counter: 0 };
      return false;
    }
    const counter = this.current.counter + 1;
    if (counter < interval) {
      this.current.counter = counter;
      return true;
    }
    const grown = Math.fround(this.current.scale * growth);
    this.current = { scale: Number.isFinite(grown) ? grown : this.current.scale, counter: 0 };
    return true;
  }

  state(): GradientScalerState {
    return { ...this.current };
  }

  /** @throws UsageError if that is no state of a scaler with these settings */
  restore({ scale, counter }: GradientScalerState): void {
    const isSound =
      scale > 0 &&
      Math.fround(scale) === scale &&
      Number.isFinite(scale) &&
      Number.isSafeInteger(counter) &&
      counter >= 0 &&
      counter < this.options.interval;
    if (!isSound) {
      throw new UsageError(`gradient scaler: no state has scale ${scale} and counter ${counter}`);
    }
    this.current = { scale, counter };
  }
}
