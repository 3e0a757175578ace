import type { DispatchTimer } from './timestamps.ts';

/** One thing that the device is asked to do, with everything it needs in place. */
export type Operation =
  | {
      readonly kind: 'dispatch';
      /** Of the kernel. */
      readonly key: string;
      readonly pipeline: GPUComputePipeline;
      readonly group: GPUBindGroup;
      /** Workgroups along x, y and z: in the object itself, as thousands of these are read every step. */
      readonly x: number;
      readonly y: number;
      readonly z: number;
    }
  | {
      readonly kind: 'copy';
      readonly source: GPUBuffer;
      readonly sourceOffset: number;
      readonly target: GPUBuffer;
      readonly targetOffset: number;
      readonly bytes: number;
    }
  | {
      readonly kind: 'clear';
      readonly target: GPUBuffer;
      readonly targetOffset: number;
      readonly bytes: number;
    };

/**
 * Encodes operations, in order, into one command buffer: dispatches that follow each other share a compute
 * pass, and a pipeline is set only where it changes.
 */
export class Encoding {
  private readonly encoder: GPUCommandEncoder;
  private readonly timer: DispatchTimer | undefined;
  private pass: GPUComputePassEncoder | undefined;
  private pipeline: GPUComputePipeline | undefined;
  /** Dispatches so far. */
  dispatches = 0;

  /** @param timer if given, every dispatch is timed in a pass of its own */
  constructor(device: GPUDevice, timer?: DispatchTimer) {
    this.encoder = device.createCommandEncoder();
    this.timer = timer;
  }

  add(operation: Operation): void {
    if (operation.kind !== 'dispatch') {
      this.endPass();
      this.transfer(operation);
      return;
    }
    const { pipeline, group, x, y, z } = operation;
    this.pass ??= this.encoder.beginComputePass(
      this.timer && { timestampWrites: this.timer.next(operation.key) },
    );
    if (pipeline !== this.pipeline) this.pass.setPipeline(pipeline);
    this.pipeline = pipeline;
    this.pass.setBindGroup(0, group);
    // Every number that crosses into native code takes time.
    if (y * z === 1) this.pass.dispatchWorkgroups(x);
    else this.pass.dispatchWorkgroups(x, y, z);
    this.dispatches++;
    if (this.timer) this.endPass();
  }

  /** The command buffer; nothing is added after it. */
  finish(): GPUCommandBuffer {
    this.endPass();
    this.timer?.resolve(this.encoder);
    return this.encoder.finish();
  }

  private endPass(): void {
    this.pass?.end();
    this.pass = undefined;
    this.pipeline = undefined;
  }

  private transfer(operation: Exclude<Operation, { kind: 'dispatch' }>): void {
    const { target, targetOffset, bytes } = operation;
    if (operation.kind === 'clear') this.encoder.clearBuffer(target, targetOffset, bytes);
    else {
      const { source, sourceOffset } = operation;
      this.encoder.copyBufferToBuffer(source, sourceOffset, target, targetOffset, bytes);
    }
  }
}
