/** Most timestamps a query set may hold. */
const QUERIES_PER_SET = 4096;

export interface DispatchTime {
  /** Key of the kernel. */
  readonly key: string;
  readonly milliseconds: number;
}

/** Times every dispatch of a flush with `timestamp-query`; needs that device feature. */
export class DispatchTimer {
  private readonly device: GPUDevice;
  private readonly sets: GPUQuerySet[] = [];
  private readonly keys: string[] = [];
  private readonly results: { resolved: GPUBuffer; staging: GPUBuffer; count: number }[] = [];

  constructor(device: GPUDevice) {
    this.device = device;
  }

  /** Timestamp writes for the next dispatch's pass. */
  next(key: string): GPUComputePassTimestampWrites {
    const query = (this.keys.length * 2) % QUERIES_PER_SET;
    if (query === 0) {
      this.sets.push(this.device.createQuerySet({ type: 'timestamp', count: QUERIES_PER_SET }));
    }
    this.keys.push(key);
    return {
      querySet: this.sets[this.sets.length - 1],
      beginningOfPassWriteIndex: query,
      endOfPassWriteIndex: query + 1,
    };
  }

  /** Records copying all timestamps out. */
  resolve(encoder: GPUCommandEncoder): void {
    this.sets.forEach((set, index) => {
      const count = Math.min(QUERIES_PER_SET, this.keys.length * 2 - index * QUERIES_PER_SET);
      const size = count * 8;
      const resolved = this.device.createBuffer({ size, usage: 0x200 | 0x04 });
      const staging = this.device.createBuffer({ size, usage: 0x01 | 0x08 });
      encoder.resolveQuerySet(set, 0, count, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
      this.results.push({ resolved, staging, count });
    });
  }

  /** Waits for the device and returns the times in dispatch order; the timer is spent. */
  async times(): Promise<DispatchTime[]> {
    const times: DispatchTime[] = [];
    for (const { resolved, staging, count } of this.results) {
      await staging.mapAsync(1);
      const stamps = new BigUint64Array(staging.getMappedRange());
      for (let i = 0; i < count; i += 2) {
        times.push({
          key: this.keys[times.length],
          milliseconds: Number(stamps[i + 1] - stamps[i]) / 1e6,
        });
      }
      staging.unmap();
      staging.destroy();
      resolved.destroy();
    }
    for (const set of this.sets) set.destroy();
    return times;
  }
}
