import { ELEMENT_BYTES, type ElementType, withElementTypes } from '../../kernels/element-types.ts';
import type { AdapterProfile, Kernel, Plan } from '../../kernels/kernel.ts';
import { GpuError } from '../errors.ts';
import { KernelChoices } from './choices.ts';
import { ConstantCache } from './constants.ts';
import type { Moment } from './moment.ts';
import { PipelineCache } from './pipelines.ts';
import { BufferPool, type MemoryReport } from './pool.ts';
import type { HostAction, HostData } from './program.ts';
import { Recorder } from './recorder.ts';
import { collectStorages, Storage } from './storage.ts';
import { memoryTuningStore } from './tuning/memory-store.ts';
import type { TuningStore } from './tuning/records.ts';
import { type TuneChoice, type TuneMode, tuneMode } from './tuning/tune-mode.ts';

export interface GpuOptions {
  /** Most bytes of device memory to use; default 16 GiB on CPU adapters, 64 GiB otherwise. */
  readonly memoryBudget?: number;
  /** Kept referenced as long as the device lives (Dawn dies without its instance). */
  readonly keepAlive?: unknown;
  /** One line naming the adapter. */
  readonly description?: string;
  /**
   * Whether kernels are chosen by measurement: `off` (default), `on`, `force`, or `auto` (`tune-mode.ts`).
   */
  readonly tune?: TuneChoice;
  /**
   * Where measurements are remembered; default the user's cache folder (Node), a page's IndexedDB, or
   * the program's memory.
   */
  readonly tuningStore?: TuningStore | undefined;
  /** What besides the adapter decides how fast kernels are: versions of the WebGPU implementation. */
  readonly runtime?: string;
  /** What tells adapter and driver from others. */
  readonly identity?: string;
  /**
   * What the thread does while a promise of the device is pending; it resolves when that is settled.
   * Default nothing: browsers wait without help.
   */
  readonly rest?: (pending: Promise<unknown>) => Promise<void>;
  /** Whether nothing is computed or held on the device (`blank-gpu.ts`). */
  readonly isBlank?: boolean;
  /** Whether `close` destroys the device (default); not where the page goes on using its own. */
  readonly ownsDevice?: boolean;
}

/** Why a device went away. */
export interface DeviceLoss {
  /** `destroyed` if someone called `destroy` on it, else `unknown` (driver reset, sleep, …). */
  readonly reason: GPUDeviceLostReason;
  readonly message: string;
}

/** One open device: memory, compiled kernels, and the commands of the current step. */
export class Gpu {
  readonly device: GPUDevice;
  readonly profile: AdapterProfile;
  readonly description: string;
  /** Whether what is written to the device is never looked at. */
  readonly isBlank: boolean;
  readonly recorder: Recorder;
  readonly pipelines: PipelineCache;
  /** Which kernels serve which shapes, where that was measured or recorded. */
  choices = new KernelChoices();
  /** Whether programs are to measure kernels before they run, and where they remember it. */
  readonly tuning: { readonly mode: TuneMode; readonly store: TuningStore };
  /** What tells adapter, driver and WebGPU implementation from others. */
  readonly identity: string;
  private readonly pool: BufferPool;
  private readonly constants: ConstantCache;
  private readonly scopes: Set<Storage>[] = [];
  /** Referenced as long as the device lives: Dawn dies without its instance. */
  readonly keepAlive: unknown;
  private readonly rest: GpuOptions['rest'];
  private failure: GpuError | undefined;
  private closed = false;
  private readonly ownsDevice: boolean;
  private loss: DeviceLoss | undefined;
  private readonly lossListeners = new Set<(loss: DeviceLoss) => void>();

  constructor(device: GPUDevice, profile: AdapterProfile, options: GpuOptions = {}) {
    this.device = device;
    this.profile = profile;
    this.description = options.description ?? 'unnamed adapter';
    this.tuning = {
      mode: tuneMode(options.tune ?? 'off', profile),
      store: options.tuningStore ?? memoryTuningStore(),
    };
    this.identity = `${options.identity ?? this.description}; ${options.runtime ?? ''}`;
    this.isBlank = options.isBlank ?? false;
    this.keepAlive = options.keepAlive;
    const budget = options.memoryBudget ?? (profile.kind === 'cpu' ? 16 : 64) * 2 ** 30;
    this.pool = new BufferPool(device, budget);
    this.pipelines = new PipelineCache(device);
    this.constants = new ConstantCache(device);
    this.recorder = new Recorder(device, this.pool, this.pipelines);
    this.rest = options.rest;
    this.ownsDevice = options.ownsDevice ?? true;
    device.addEventListener('uncapturederror', this.noteError);
    device.lost.then(({ reason, message }) => {
      if (!this.closed) this.noteLoss({ reason, message });
    });
  }

  /**
   * Calls `listener` once when the device is lost other than by `close`, at once if it already is.
   * Everything on the device is gone then, and every call fails with a GpuError `lost`: close this
   * one, open another and load again.
   * @returns a function that takes the listener back
   */
  onLost(listener: (loss: DeviceLoss) => void): () => void {
    if (this.loss) listener(this.loss);
    else this.lossListeners.add(listener);
    return () => this.lossListeners.delete(listener);
  }

  /** A storage without memory yet, for a kernel to write. It belongs to the innermost scope. */
  allocate(byteLength: number, elementType?: ElementType): Storage {
    return this.adopt(new Storage(byteLength, undefined, elementType));
  }

  /**
   * A storage holding `data`, which for f16 are pairs of elements. It belongs to the innermost scope.
   */
  upload(data: HostData, elementType?: ElementType): Storage {
    const storage = this.place(data, elementType);
    this.recorder.recording?.addUpload(storage, data);
    return storage;
  }

  /**
   * The same for data that hang on the step: a program in whose recording this happens calls `make` for
   * each run, with the moment that it is of; without one it is the moment of the recording.
   */
  uploadEachTime(make: (moment?: Moment) => HostData, elementType?: ElementType): Storage {
    const data = make();
    const storage = this.place(data, elementType);
    this.recorder.recording?.addUpload(storage, data, make);
    return storage;
  }

  /** Does something on the host, now and for each run of a program in whose recording this happens. */
  eachTime(action: HostAction): void {
    action();
    this.recorder.recording?.addAction(action);
  }

  private place(data: HostData, elementType?: ElementType): Storage {
    const storage = this.allocate(data.byteLength, elementType);
    // A program's own, as long as it lives.
    storage.lasting = this.recorder.recording !== undefined;
    const { buffer } = this.recorder.materialise(storage);
    // A buffer from the free list is not part of any recorded command, so writing now is in order.
    if (data.byteLength) {
      this.device.queue.writeBuffer(buffer, 0, data.buffer, data.byteOffset, data.byteLength);
    }
    storage.written = true;
    return storage;
  }

  /** Overwrites a storage that has memory and no recorded command waiting. */
  write(storage: Storage, data: Float32Array | Uint32Array): void {
    if (storage.constant) throw new GpuError('validation', 'a constant storage is not overwritten');
    if (storage.pendingUses > 0) {
      throw new GpuError('validation', 'a storage with recorded commands cannot be overwritten');
    }
    this.recorder.submitReplayed();
    const { buffer, offset } = this.recorder.materialise(storage);
    this.device.queue.writeBuffer(buffer, offset, data.buffer, data.byteOffset, data.byteLength);
    storage.written = true;
  }

  /**
   * Records one kernel. `storages[i]` is bound at `@binding(i)`, its constants behind them; where some hold
   * f16, the kernel is made for that.
   */
  run(kernel: Kernel, storages: readonly Storage[]): void {
    const isNarrow = storages.some(({ elementType }) => elementType === 'f16');
    this.recorder.dispatch(
      isNarrow
        ? withElementTypes(
            kernel,
            storages.map(({ elementType }) => elementType),
          )
        : kernel,
      kernel.constants ? [...storages, this.constants.get(kernel.constants)] : storages,
    );
  }

  /**
   * Records a plan over input and output storages; its temporaries are released at once, except those
   * that depend on a constant input alone: they stay with it, and are made only once.
   */
  runPlan(plan: Plan, inputs: readonly Storage[], outputs: readonly Storage[]): void {
    const temporaries = plan.temporaries.map((length, index) => {
      const like = plan.alike?.find(({ temporary }) => temporary === index);
      const elementType = like ? inputs[like.input].elementType : 'f32';
      return new Storage(length * ELEMENT_BYTES[elementType], undefined, elementType);
    });
    const kept = new Set<Storage>();
    for (const { kernel, operands, dependsOnlyOn } of plan.steps) {
      const source = dependsOnlyOn === undefined ? undefined : inputs[dependsOnlyOn];
      const result = operands[kernel.bindings.indexOf('write')];
      if (source?.constant && 'temporary' in result) {
        const { elementType } = temporaries[result.temporary];
        const key = `${kernel.key} ${kernel.constants?.join()} ${elementType}`;
        const found = source.derived.get(key);
        const known = found?.written ? found : undefined;
        temporaries[result.temporary] = known ?? temporaries[result.temporary];
        kept.add(temporaries[result.temporary]);
        if (known) continue;
        temporaries[result.temporary].lasting = true;
        source.derived.set(key, temporaries[result.temporary]);
      }
      const storages = operands.map((operand) => {
        if ('input' in operand) return inputs[operand.input];
        if ('output' in operand) return outputs[operand.output];
        return temporaries[operand.temporary];
      });
      this.run(kernel, storages);
    }
    for (const storage of temporaries) if (!kept.has(storage)) this.recorder.release(storage);
  }

  /** Records copying `bytes` from one storage to another. */
  copy(source: Storage, target: Storage, bytes: number, sourceOffset = 0, targetOffset = 0): void {
    this.recorder.copy(source, target, bytes, sourceOffset, targetOffset);
  }

  /** Records filling a storage with zeros. */
  clear(target: Storage): void {
    this.recorder.clear(target);
  }

  /**
   * Runs `body`; storages made inside are released when it ends, except those found in its result
   * (tensors, arrays, plain objects, maps), which pass to the enclosing scope.
   */
  scope<T>(body: () => T): T {
    const made = new Set<Storage>();
    this.scopes.push(made);
    let result: T;
    try {
      result = body();
    } catch (error) {
      this.scopes.pop();
      for (const storage of made) this.recorder.release(storage);
      throw error;
    }
    this.scopes.pop();
    const outer = this.scopes.at(-1);
    for (const storage of collectStorages(result)) {
      if (made.delete(storage)) outer?.add(storage);
    }
    for (const storage of made) this.recorder.release(storage);
    return result;
  }

  /** Takes a storage out of all scopes: it lives until `dispose`. */
  keep(storage: Storage): void {
    storage.lasting = true;
    for (const scope of this.scopes) scope.delete(storage);
  }

  /** Releases a storage. */
  dispose(storage: Storage): void {
    for (const scope of this.scopes) scope.delete(storage);
    this.recorder.release(storage);
    for (const derived of storage.derived.values()) this.recorder.release(derived);
    storage.derived.clear();
  }

  /** Submits what was recorded. @throws GpuError if the device reported a failure so far. */
  async flush(): Promise<void> {
    this.assertHealthy();
    try {
      await this.recorder.flush();
    } catch (error) {
      this.recorder.reset();
      // What fails because the device went away says so.
      this.assertHealthy();
      throw error;
    }
    this.assertHealthy();
  }

  /** Submits what was recorded and reads `length` 32-bit elements of a storage. */
  async read(storage: Storage, length: number): Promise<ArrayBuffer> {
    await this.flush();
    if (!storage.range || !storage.written) {
      throw new GpuError('validation', 'a released or never written storage cannot be read');
    }
    const bytes = Math.max(4, length * 4);
    const staging = this.device.createBuffer({ size: bytes, usage: 0x01 | 0x08 });
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(storage.range.buffer, storage.range.offset, staging, 0, bytes);
    this.device.queue.submit([encoder.finish()]);
    await this.settled(staging.mapAsync(1));
    const copy = staging.getMappedRange().slice(0, length * 4);
    staging.unmap();
    staging.destroy();
    this.assertHealthy();
    return copy;
  }

  /** Submits what was recorded and waits until the device has done it. */
  async finish(): Promise<void> {
    await this.flush();
    await this.settled(this.device.queue.onSubmittedWorkDone());
    this.assertHealthy();
  }

  /**
   * What a promise of the device resolves to; meanwhile the thread does what `GpuOptions.rest` says.
   * @throws GpuError `lost` if it is rejected: nothing but a device that goes away does that
   */
  async settled<T>(pending: Promise<T>): Promise<T> {
    await this.rest?.(pending);
    try {
      return await pending;
    } catch (cause) {
      this.assertHealthy();
      throw new GpuError('lost', 'the GPU device went away while a result was awaited', { cause });
    }
  }

  /** Bytes in use, kept for reuse, at most so far, and allowed. */
  memory(): MemoryReport {
    return this.pool.report();
  }

  /** Frees buffers kept for reuse. */
  trim(): void {
    this.recorder.reset();
    this.pool.trim();
  }

  /** Destroys the device; or, where the page owns it, only what was allocated on it. */
  close(): void {
    this.closed = true;
    this.lossListeners.clear();
    if (this.ownsDevice) {
      this.device.destroy();
      return;
    }
    this.device.removeEventListener('uncapturederror', this.noteError);
    this.recorder.reset();
    this.pool.destroy();
    this.failure ??= new GpuError('lost', 'this Gpu was closed');
  }

  private readonly noteError = (event: GPUUncapturedErrorEvent): void => {
    const reason = /memory/i.test(event.error.constructor.name) ? 'out-of-memory' : 'validation';
    this.failure ??= new GpuError(reason, event.error.message);
  };

  private noteLoss(loss: DeviceLoss): void {
    this.loss = loss;
    this.failure = new GpuError('lost', `the GPU device was lost: ${loss.message}`);
    for (const listener of this.lossListeners) listener(loss);
    this.lossListeners.clear();
  }

  private adopt(storage: Storage): Storage {
    this.scopes.at(-1)?.add(storage);
    return storage;
  }

  private assertHealthy(): void {
    if (this.failure) throw this.failure;
  }
}
