import type { Kernel } from '../../kernels/kernel.ts';
import { GpuError } from '../errors.ts';
import type { BufferRange } from './buffer-range.ts';
import { Encoding, type Operation } from './encoding.ts';
import type { Moment } from './moment.ts';
import type { PipelineCache, PipelineEntry } from './pipelines.ts';
import type { BufferPool } from './pool.ts';
import type { Program } from './program.ts';
import type { Storage } from './storage.ts';
import type { DispatchTimer } from './timestamps.ts';

interface Dispatch {
  readonly kind: 'dispatch';
  readonly kernel: Kernel;
  readonly entry: PipelineEntry;
  readonly storages: readonly Storage[];
}

type Command =
  | Dispatch
  | {
      readonly kind: 'copy';
      readonly storages: readonly [Storage, Storage];
      readonly sourceOffset: number;
      readonly targetOffset: number;
      readonly bytes: number;
    }
  | { readonly kind: 'clear'; readonly storages: readonly [Storage] };

/** A bind group with what it binds, and for which kernel: equal keys mean equal kinds of bindings. */
interface LatestGroup {
  readonly group: GPUBindGroup;
  readonly entry: PipelineEntry;
  readonly ranges: readonly BufferRange[];
  readonly lengths: readonly number[];
}

/** Bind groups kept; a steady training step needs one per dispatch. */
const MAX_BIND_GROUPS = 20_000;

/**
 * Collects commands and submits them together.
 *
 * Nothing has memory until `flush`: knowing all commands, it gives each storage a pooled buffer just
 * before its first use and takes it back right after the last use of a released storage. Later
 * commands of the same submit reuse it; WebGPU orders dispatches, so that is safe. The same commands
 * therefore get the same buffers every step, and bind groups are found in a cache.
 */
export class Recorder {
  private readonly device: GPUDevice;
  private readonly pool: BufferPool;
  private readonly pipelines: PipelineCache;
  private commands: Command[] = [];
  /** Of the commands that are being encoded, how many have ended their uses of storages. */
  private ended = 0;
  private readonly bindGroups = new Map<string, GPUBindGroup>();
  /** The bind group that the command of this index had last time: most often it is the same again. */
  private readonly latest: LatestGroup[] = [];
  private readonly bufferIds = new WeakMap<GPUBuffer, number>();
  private nextBufferId = 1;
  /** Submits so far. */
  submits = 0;
  /** Dispatches submitted so far. */
  dispatches = 0;
  /** Bind groups created so far. */
  bindGroupsCreated = 0;
  /** What commands and host work are part of now. */
  recording: Program | undefined;
  /** Recorded, not yet submitted: the first `length` commands. */
  private recorded: { readonly program: Program; readonly length: number } | undefined;
  /** To be submitted before the commands. */
  private replayed: Program | undefined;
  /** When set, every dispatch is timed in a pass of its own. */
  timer: DispatchTimer | undefined;

  constructor(device: GPUDevice, pool: BufferPool, pipelines: PipelineCache) {
    this.device = device;
    this.pool = pool;
    this.pipelines = pipelines;
  }

  get pendingCommands(): number {
    return this.commands.length;
  }

  /** Records one kernel over `storages`, one per binding. */
  dispatch(kernel: Kernel, storages: readonly Storage[]): void {
    if (storages.length !== kernel.bindings.length) {
      throw new GpuError(
        'validation',
        `kernel ${kernel.key} has ${kernel.bindings.length} bindings, ${storages.length} storages given`,
      );
    }
    for (let i = 0; i < storages.length; i++) {
      if (kernel.bindings[i] !== 'write') this.assertReadable(storages[i], kernel.key, i);
    }
    for (let i = 0; i < storages.length; i++) {
      if (kernel.bindings[i] !== 'write') continue;
      if (storages[i].constant) {
        throw new GpuError('validation', `kernel ${kernel.key} would write a constant storage`);
      }
      storages[i].written = true;
    }
    this.push({ kind: 'dispatch', kernel, entry: this.pipelines.request(kernel), storages });
  }

  copy(source: Storage, target: Storage, bytes: number, sourceOffset = 0, targetOffset = 0): void {
    this.assertReadable(source, 'copy', 0);
    target.written = true;
    this.push({ kind: 'copy', storages: [source, target], sourceOffset, targetOffset, bytes });
  }

  /** Records filling a storage with zeros. */
  clear(target: Storage): void {
    target.written = true;
    this.push({ kind: 'clear', storages: [target] });
  }

  /**
   * From here to `endProgram` commands become a program, which is complete when they are submitted.
   * @throws GpuError `validation` if commands wait already
   */
  beginProgram(program: Program): void {
    if (this.commands.length || this.replayed) {
      throw new GpuError('validation', 'a program begins where no recorded commands wait');
    }
    this.recording = program;
  }

  /** What is recorded from now on is not part of the program. */
  endProgram(): void {
    const { recording: program } = this;
    this.recorded = program && { program, length: this.commands.length };
    this.recording = undefined;
  }

  /**
   * Does the host's part of a program and has it submitted before all that is recorded later.
   * @returns false, with nothing done, where that cannot be: other commands wait, dispatches are timed, or
   *   buffers are not what they were
   */
  replay(program: Program, moment: Moment): boolean {
    if (this.commands.length || this.replayed || this.timer || !program.isRunnable) return false;
    program.prepare(moment);
    this.replayed = program;
    return true;
  }

  /** Submits all recorded commands; resolves when they are submitted, not when they are done. */
  async flush(): Promise<void> {
    if (!this.commands.length && !this.replayed) return;
    if (!this.pipelines.isSettled) await this.pipelines.settle();
    const { commands, recorded } = this;
    this.recorded = undefined;
    if (!commands.length && !this.replayed) return;

    const encoding = new Encoding(this.device, this.timer);
    this.replayed?.encode(encoding);
    this.replayed = undefined;
    for (let index = 0; index < commands.length; index++) {
      const command = commands[index];
      const operation = this.operationOf(index, command);
      encoding.add(operation);
      const program = recorded && index < recorded.length ? recorded.program : undefined;
      program?.add(operation);
      for (const storage of command.storages) {
        if (program && storage.lent) program.addScratch(storage.lent);
        this.endUse(storage);
      }
      this.ended++;
    }
    this.commands = [];
    this.ended = 0;
    this.submit(encoding);
    if (recorded && !this.timer) {
      const { program, length } = recorded;
      program.close(commands.slice(0, length).flatMap(({ storages }) => storages));
    }
  }

  /** Submits a replayed program at once: its buffers would look free to whoever needs memory now. */
  submitReplayed(): void {
    if (!this.replayed) return;
    const encoding = new Encoding(this.device);
    this.replayed.encode(encoding);
    this.replayed = undefined;
    this.submit(encoding);
  }

  private submit(encoding: Encoding): void {
    this.device.queue.submit([encoding.finish()]);
    this.pool.destroyDoomed();
    this.dispatches += encoding.dispatches;
    this.submits++;
  }

  /** Gives a storage memory now. */
  materialise(storage: Storage): BufferRange {
    if (storage.range) return storage.range;
    this.submitReplayed();
    storage.lent = this.pool.acquire(storage.byteLength, storage.lasting);
    storage.range = storage.lent;
    return storage.range;
  }

  /** The owner is done with a storage: its memory returns after its last recorded use. */
  release(storage: Storage): void {
    if (storage.released) return;
    storage.released = true;
    if (storage.pendingUses === 0) this.reclaim(storage);
  }

  /** One use less of a storage, which gives its memory back if it was the last of a released one. */
  endUse(storage: Storage): void {
    storage.pendingUses--;
    if (storage.released && storage.pendingUses === 0) this.reclaim(storage);
    if (storage.arena) this.endUse(storage.arena);
  }

  /** Drops recorded commands and cached bind groups (after an error, or device loss). */
  reset(): void {
    this.commands.forEach((command, index) => {
      if (command.kind === 'dispatch') {
        command.storages.forEach((storage, i) => {
          if (command.kernel.bindings[i] === 'write') storage.written = false;
        });
      }
      if (index < this.ended) return;
      for (const storage of command.storages) this.endUse(storage);
    });
    this.commands = [];
    this.ended = 0;
    this.pool.destroyDoomed();
    this.recording = undefined;
    this.recorded = undefined;
    this.replayed = undefined;
    this.bindGroups.clear();
    this.latest.length = 0;
  }

  private reclaim(storage: Storage): void {
    if (storage.lent) this.pool.release(storage.lent);
    storage.lent = undefined;
    storage.range = undefined;
  }

  private push(command: Command): void {
    for (const storage of command.storages) {
      storage.pendingUses++;
      if (storage.arena) storage.arena.pendingUses++;
    }
    this.commands.push(command);
  }

  private assertReadable(storage: Storage, what: string, binding: number): void {
    if (storage.released) {
      throw new GpuError(
        'validation',
        `${what}: binding ${binding} was released; keep() a tensor that must outlive its scope`,
      );
    }
    if (!storage.written) {
      throw new GpuError('validation', `${what}: binding ${binding} is read before it is written`);
    }
  }

  /** The command with memory for all that it uses. @param index of the command within its submit */
  private operationOf(index: number, command: Command): Operation {
    for (const storage of command.storages) if (!storage.range) this.materialise(storage);
    if (command.kind === 'dispatch') {
      const { key, workgroups } = command.kernel;
      const { pipeline } = command.entry;
      if (!pipeline) throw notCompiled(command.kernel);
      const group = this.bindGroup(index, command);
      const [x, y, z] = workgroups;
      return { kind: 'dispatch', key, pipeline, group, x, y, z };
    }
    const source = this.materialise(command.storages[0]);
    if (command.kind === 'clear') {
      const bytes = command.storages[0].byteLength;
      return { kind: 'clear', target: source.buffer, targetOffset: source.offset, bytes };
    }
    const target = this.materialise(command.storages[1]);
    return {
      kind: 'copy',
      source: source.buffer,
      sourceOffset: source.offset + command.sourceOffset,
      target: target.buffer,
      targetOffset: target.offset + command.targetOffset,
      bytes: command.bytes,
    };
  }

  private bufferId(buffer: GPUBuffer): number {
    let id = this.bufferIds.get(buffer);
    if (id === undefined) {
      id = this.nextBufferId++;
      this.bufferIds.set(buffer, id);
    }
    return id;
  }

  /** @param index of the command within its submit */
  private bindGroup(index: number, { kernel, entry, storages }: Dispatch): GPUBindGroup {
    const before = this.latest[index];
    if (before?.entry === entry && bindsSame(before, storages)) return before.group;
    const group = this.findBindGroup(kernel, storages);
    this.latest[index] = {
      group,
      entry,
      ranges: storages.map((storage) => this.materialise(storage)),
      lengths: storages.map(({ byteLength }) => byteLength),
    };
    return group;
  }

  private findBindGroup(kernel: Kernel, storages: readonly Storage[]): GPUBindGroup {
    // Storages of one buffer may differ in length, and shaders see the length: it is in the key.
    let key = kernel.bindings.join();
    for (const storage of storages) {
      const range = this.materialise(storage);
      key += `|${this.bufferId(range.buffer)},${range.offset},${storage.byteLength}`;
    }
    let group = this.bindGroups.get(key);
    if (!group) {
      if (this.bindGroups.size >= MAX_BIND_GROUPS) this.bindGroups.clear();
      group = this.device.createBindGroup({
        layout: this.pipelines.bindGroupLayout(kernel.bindings),
        entries: storages.map((storage, binding) => {
          const { buffer, offset } = this.materialise(storage);
          return { binding, resource: { buffer, offset, size: storage.byteLength } };
        }),
      });
      this.bindGroups.set(key, group);
      this.bindGroupsCreated++;
    }
    return group;
  }
}

/** Whether a bind group binds just these storages. */
function bindsSame({ ranges, lengths }: LatestGroup, storages: readonly Storage[]): boolean {
  for (let i = 0; i < storages.length; i++) {
    const { range, byteLength } = storages[i];
    const known = ranges[i];
    if (!range || !isSameRange(range, known)) return false;
    if (byteLength !== lengths[i]) return false;
  }
  return true;
}

function isSameRange(a: BufferRange, b: BufferRange): boolean {
  return a === b || (a.buffer === b.buffer && a.offset === b.offset);
}

function notCompiled({ key }: Kernel): GpuError {
  return new GpuError('validation', `kernel ${key} was not compiled before its use`);
}
