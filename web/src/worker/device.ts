/** The device of one worker: opened when needed, opened anew after a failure. */
import { type Gpu, GpuError, type OpenGpuOptions, openGpu } from 'sonolift';

const MEBIBYTE = 2 ** 20;

export class DeviceHolder {
  private gpu: Gpu | undefined;
  private opening: Promise<Gpu> | undefined;
  private limit = 0;
  private readonly forget: () => void;

  /** @param forget told that everything on the device is gone */
  constructor(forget: () => void) {
    this.forget = forget;
  }

  /** Most device memory to use in MiB, 0 for no limit of one's own. A change closes the device. */
  set memoryLimit(limit: number) {
    if (limit === this.limit) return;
    this.limit = limit;
    this.close();
  }

  /** @throws GpuError where there is no WebGPU or no adapter */
  async open(): Promise<Gpu> {
    if (this.gpu) return this.gpu;
    this.opening ??= this.openNew();
    try {
      return await this.opening;
    } finally {
      this.opening = undefined;
    }
  }

  /** Looks at what a call threw: after a failure of the device itself the next call opens another. */
  note(error: unknown): void {
    if (error instanceof GpuError) this.close();
  }

  close(): void {
    if (!this.gpu) return;
    const gpu = this.gpu;
    this.gpu = undefined;
    this.forget();
    gpu.close();
  }

  private async openNew(): Promise<Gpu> {
    const options: OpenGpuOptions = this.limit ? { memoryBudget: this.limit * MEBIBYTE } : {};
    const gpu = await openGpu(options);
    gpu.onLost(() => {
      if (this.gpu === gpu) this.close();
    });
    this.gpu = gpu;
    return gpu;
  }
}
