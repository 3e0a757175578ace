import { GpuError } from '../errors.ts';
import type { PooledRange } from './buffer-range.ts';

/** Buffer usage of everything that kernels touch. */
export const STORAGE_USAGE = 0x80 | 0x04 | 0x08; // STORAGE | COPY_SRC | COPY_DST

/** A free buffer may serve a request down to this fraction of its size. */
const REUSE_FRACTION = 0.5;

export interface MemoryReport {
  /** Bytes of buffers that tensors hold now. */
  readonly liveBytes: number;
  /** Bytes of buffers kept for reuse. */
  readonly pooledBytes: number;
  /** Largest sum of live and pooled bytes so far. */
  readonly peakBytes: number;
  /** Most bytes that tensors held at once so far. */
  readonly peakLiveBytes: number;
  /** Bytes that may be allocated in all; beyond it is an out-of-memory error. */
  readonly budgetBytes: number;
  /** Number of buffers held by tensors now. */
  readonly liveBuffers: number;
}

/** Rounds up to a size class: 4 classes per power of two, at least 256 bytes. */
export function sizeClass(byteLength: number): number {
  if (byteLength <= 256) return 256;
  const power = 2 ** Math.floor(Math.log2(byteLength));
  const step = Math.max(power / 4, 256);
  return Math.ceil(byteLength / step) * step;
}

/**
 * Reuses device buffers by size class, under a byte budget of its own: software drivers do not
 * report exhaustion, so the engine has to. Among free buffers the smallest that fits is taken, and of
 * equal ones the oldest: the choice depends on which are free, not on the order in which they were
 * freed, so that a repeated step sees the same buffers every time and finds its bind groups cached.
 *
 * Storages that last are served from buffers of their own: what a step used and gave back stays free between
 * two steps, so that the step can be repeated as it was recorded.
 */
export class BufferPool {
  private readonly device: GPUDevice;
  /** By size; each list in order of creation. */
  private readonly free: Readonly<Record<'passing' | 'lasting', Map<number, PooledRange[]>>> = {
    passing: new Map(),
    lasting: new Map(),
  };
  /** Every buffer that exists, free or in use. */
  private readonly buffers = new Set<PooledRange>();
  /** Given up, but perhaps used by commands that are encoded and not submitted yet. */
  private readonly doomed: GPUBuffer[] = [];
  private nextSerial = 1;
  private readonly budgetBytes: number;
  private readonly maxBufferBytes: number;
  private liveBytes = 0;
  private pooledBytes = 0;
  private peakBytes = 0;
  private peakLiveBytes = 0;
  private liveBuffers = 0;

  constructor(device: GPUDevice, budgetBytes: number) {
    this.device = device;
    this.budgetBytes = budgetBytes;
    this.maxBufferBytes = Math.min(
      device.limits.maxBufferSize,
      device.limits.maxStorageBufferBindingSize,
    );
  }

  /**
   * A buffer of at least `byteLength` bytes with undefined content.
   * @param lasting whether its content is to outlive the commands that make it
   * @throws GpuError `out-of-memory` beyond the budget or the device's largest binding.
   */
  acquire(byteLength: number, lasting = false): PooledRange {
    const wanted = Math.min(sizeClass(byteLength), Math.max(byteLength, this.maxBufferBytes));
    if (byteLength > this.maxBufferBytes) {
      throw new GpuError(
        'out-of-memory',
        `a tensor of ${byteLength} bytes exceeds the device's largest storage binding of ${this.maxBufferBytes} bytes; use a smaller batch, image size or width`,
      );
    }
    const reused = this.takeFree(wanted, lasting);
    if (reused) {
      reused.free = false;
      this.pooledBytes -= reused.size;
      this.hold(reused.size);
      return reused;
    }
    if (this.liveBytes + this.pooledBytes + wanted > this.budgetBytes) this.giveUp();
    if (this.liveBytes + wanted > this.budgetBytes) {
      throw new GpuError(
        'out-of-memory',
        `memory budget of ${this.budgetBytes} bytes exceeded: ${this.liveBytes} in use, ${wanted} more wanted; raise the budget or use a smaller batch, image size or width`,
      );
    }
    const buffer = this.device.createBuffer({ size: wanted, usage: STORAGE_USAGE });
    const range = {
      buffer,
      offset: 0,
      size: wanted,
      serial: this.nextSerial++,
      lasting,
      free: false,
    };
    this.buffers.add(range);
    this.hold(wanted);
    this.peakBytes = Math.max(this.peakBytes, this.liveBytes + this.pooledBytes);
    return range;
  }

  private hold(size: number): void {
    this.liveBytes += size;
    this.liveBuffers++;
    this.peakLiveBytes = Math.max(this.peakLiveBytes, this.liveBytes);
  }

  /** Takes a buffer back; commands recorded before this call may still use it. */
  release(range: PooledRange): void {
    const free = this.freeFor(range.lasting);
    const list = free.get(range.size);
    if (list) insert(list, range);
    else free.set(range.size, [range]);
    range.free = true;
    this.liveBytes -= range.size;
    this.pooledBytes += range.size;
    this.liveBuffers--;
  }

  /** Destroys all free buffers. */
  trim(): void {
    this.giveUp();
    this.destroyDoomed();
  }

  /** Destroys what was given up: every command that used it is submitted, or never will be. */
  destroyDoomed(): void {
    for (const buffer of this.doomed.splice(0)) buffer.destroy();
  }

  private giveUp(): void {
    for (const free of Object.values(this.free)) {
      for (const range of [...free.values()].flat()) {
        this.doomed.push(range.buffer);
        range.free = false;
        this.buffers.delete(range);
      }
      free.clear();
    }
    this.pooledBytes = 0;
  }

  /** Destroys all buffers, those in use too: nothing of this pool can be used any more. */
  destroy(): void {
    this.destroyDoomed();
    for (const range of this.buffers) {
      range.buffer.destroy();
      range.free = false;
    }
    this.buffers.clear();
    for (const free of Object.values(this.free)) free.clear();
    this.liveBytes = 0;
    this.liveBuffers = 0;
    this.pooledBytes = 0;
  }

  report(): MemoryReport {
    return {
      liveBytes: this.liveBytes,
      pooledBytes: this.pooledBytes,
      peakBytes: this.peakBytes,
      peakLiveBytes: this.peakLiveBytes,
      budgetBytes: this.budgetBytes,
      liveBuffers: this.liveBuffers,
    };
  }

  private freeFor(lasting: boolean): Map<number, PooledRange[]> {
    return lasting ? this.free.lasting : this.free.passing;
  }

  private takeFree(wanted: number, lasting: boolean): PooledRange | undefined {
    const free = this.freeFor(lasting);
    const exact = free.get(wanted);
    if (exact?.length) return exact.shift();
    let best: PooledRange[] | undefined;
    let bestSize = Number.POSITIVE_INFINITY;
    for (const [size, list] of free) {
      if (list.length && size >= wanted && wanted >= size * REUSE_FRACTION && size < bestSize) {
        best = list;
        bestSize = size;
      }
    }
    return best?.shift();
  }
}

/** Keeps a list of free buffers in order of creation. */
function insert(list: PooledRange[], range: PooledRange): void {
  let at = list.length;
  while (at > 0 && list[at - 1].serial > range.serial) at--;
  if (at === list.length) list.push(range);
  else list.splice(at, 0, range);
}
