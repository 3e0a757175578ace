import { adam, adamHyper } from '../../kernels/adam.ts';
import { ShapeError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Moment } from '../gpu/moment.ts';
import type { Storage } from '../gpu/storage.ts';
import type { Arena, ParameterSet } from './parameter-set.ts';

/** A learning rate; as a function, of the step that is repeated (`gpu/program.ts`). */
export type LearningRate = number | ((moment?: Moment) => number);

/** A learning rate now, or at a repetition. */
export function rateAt(rate: LearningRate, moment?: Moment): number {
  return typeof rate === 'number' ? rate : rate(moment);
}

export interface AdamOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon?: number;
}

/** Moments of one network's parameters. */
interface Group {
  readonly parameters: ParameterSet;
  readonly first: readonly Storage[];
  readonly second: readonly Storage[];
}

/**
 * Adam over all parameters of several networks, one dispatch per arena (64 MiB):
 *
 *     m ← β₁m + (1-β₁)g,  v ← β₂v + (1-β₂)g²,  θ ← θ - lr/(1-β₁ᵗ) · m / (√v/√(1-β₂ᵗ) + ε)
 *
 * with the bias corrections computed in double on the host (torch `optim/adam.py`).
 */
export class Adam {
  readonly options: Required<AdamOptions>;
  /** Updates made so far; of those by a `LossScaler`, the ones left out too. */
  stepCount = 0;
  private readonly gpu: Gpu;
  private readonly groups: readonly (Group & { readonly prefix: string })[];

  /** @param networks parameters by the prefix under which their moments are saved */
  constructor(gpu: Gpu, networks: ReadonlyMap<string, ParameterSet>, options: AdamOptions) {
    this.gpu = gpu;
    this.options = { epsilon: 1e-8, ...options };
    this.groups = [...networks].map(([prefix, parameters]) => ({
      prefix,
      parameters,
      first: parameters.zerosLike(),
      second: parameters.zerosLike(),
    }));
  }

  /**
   * Records one update from the collected gradients, which are then forgotten.
   * @param gradientScale what gradients are multiplied by first (`GradientScaler.inverseScale`)
   * @throws ShapeError naming a parameter without a gradient
   */
  step(learningRate: LearningRate, gradientScale = 1): void {
    const hyper = this.gpu.uploadEachTime((moment) => {
      this.stepCount++;
      return adamHyper({
        ...this.options,
        learningRate: rateAt(learningRate, moment),
        step: this.stepCount,
        gradientScale,
      });
    });
    this.update(hyper, false);
  }

  /**
   * Records one update as a `LossScaler` has decided on the device, who counts the updates that are made.
   * @param hyper as `updateLossScale` writes it
   * @throws ShapeError naming a parameter without a gradient
   */
  stepIfFinite(hyper: Storage): void {
    this.gpu.eachTime(() => {
      this.stepCount++;
    });
    this.update(hyper, true);
  }

  /** Where the parameters and their gradients lie. */
  arenas(): Arena[] {
    return this.groups.flatMap(({ parameters }) => parameters.arenas);
  }

  private update(hyper: Storage, guarded: boolean): void {
    for (const { parameters, first, second, prefix } of this.groups) {
      for (const parameter of parameters.all()) {
        if (parameter.requiresGrad && !parameter.gradient.filled) {
          throw new ShapeError(`Adam: ${prefix}${parameter.name} received no gradient`);
        }
      }
      parameters.arenas.forEach((arena, index) => {
        this.gpu.run(adam(arena.length, guarded), [
          arena.gradient,
          hyper,
          arena.value,
          first[index],
          second[index],
        ]);
      });
      parameters.zeroGradients();
    }
  }

  /** Moments on the host, as `exp_avg.<prefix><name>` and `exp_avg_sq.<prefix><name>`. */
  async readState(): Promise<Map<string, Float32Array>> {
    const state = new Map<string, Float32Array>();
    for (const { parameters, first, second, prefix } of this.groups) {
      for (const [name, data] of await parameters.readArenas(first)) {
        state.set(`exp_avg.${prefix}${name}`, data);
      }
      for (const [name, data] of await parameters.readArenas(second)) {
        state.set(`exp_avg_sq.${prefix}${name}`, data);
      }
    }
    return state;
  }

  writeState(state: ReadonlyMap<string, Float32Array>, stepCount: number): void {
    for (const { parameters, first, second, prefix } of this.groups) {
      const pick = (kind: string): Map<string, Float32Array> => {
        const values = new Map<string, Float32Array>();
        for (const name of parameters.names) {
          const data = state.get(`${kind}.${prefix}${name}`);
          if (data) values.set(name, data);
        }
        return values;
      };
      parameters.writeArenas(first, pick('exp_avg'));
      parameters.writeArenas(second, pick('exp_avg_sq'));
    }
    this.stepCount = stepCount;
  }

  dispose(): void {
    for (const { first, second } of this.groups) {
      for (const storage of [...first, ...second]) this.gpu.dispose(storage);
    }
  }
}
