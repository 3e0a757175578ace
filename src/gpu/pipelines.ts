import type { BindingAccess, Kernel } from '../../kernels/kernel.ts';
import { GpuError } from '../errors.ts';

/** A kernel that is compiled or being compiled. */
export interface PipelineEntry {
  readonly key: string;
  readonly ready: Promise<void>;
  pipeline: GPUComputePipeline | undefined;
}

/**
 * Compiles kernels, each key once, asynchronously so that a driver's worker threads share the work.
 * `request` starts a compilation; `settle` waits for all that are under way; the entry then has its pipeline.
 */
export class PipelineCache {
  private readonly device: GPUDevice;
  private readonly entries = new Map<string, PipelineEntry>();
  private readonly layouts = new Map<
    string,
    { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout }
  >();
  private pending: Promise<void>[] = [];
  private settling: Promise<void> | undefined;
  private failure: unknown;

  constructor(device: GPUDevice) {
    this.device = device;
  }

  /** Number of kernels compiled or being compiled. */
  get size(): number {
    return this.entries.size;
  }

  request(kernel: Kernel): PipelineEntry {
    const { key } = kernel;
    const known = this.entries.get(key);
    if (known) return known;
    const entry: PipelineEntry = { key, ready: this.compile(kernel), pipeline: undefined };
    this.entries.set(key, entry);
    // A failed compilation stays on record until `settle` reports it.
    this.pending.push(entry.ready.catch((error) => this.fail(key, error)));
    return entry;
  }

  /** @throws GpuError `validation` with the compiler's messages if a kernel does not compile. */
  async settle(): Promise<void> {
    // Callers that come while others wait (several reads at once) wait for the same compilations.
    while (this.pending.length || this.settling) {
      this.settling ??= this.waitForPending();
      await this.settling;
    }
    if (this.failure) {
      const failure = this.failure;
      this.failure = undefined;
      throw failure;
    }
  }

  get isSettled(): boolean {
    return this.pending.length === 0 && !this.settling && this.failure === undefined;
  }

  bindGroupLayout(bindings: readonly BindingAccess[]): GPUBindGroupLayout {
    return this.layout(bindings).group;
  }

  private async waitForPending(): Promise<void> {
    const waiting = this.pending;
    this.pending = [];
    await Promise.all(waiting);
    this.settling = undefined;
  }

  private fail(key: string, error: unknown): void {
    this.entries.delete(key);
    this.failure ??= error;
  }

  private layout(bindings: readonly BindingAccess[]) {
    const signature = bindings.join();
    let layout = this.layouts.get(signature);
    if (!layout) {
      const group = this.device.createBindGroupLayout({
        entries: bindings.map((access, binding) => ({
          binding,
          visibility: 4, // GPUShaderStage.COMPUTE
          buffer: {
            type:
              access === 'read' ? 'read-only-storage' : access === 'write' ? 'storage' : 'uniform',
          } as const,
        })),
      });
      layout = {
        group,
        pipeline: this.device.createPipelineLayout({ bindGroupLayouts: [group] }),
      };
      this.layouts.set(signature, layout);
    }
    return layout;
  }

  private async compile(kernel: Kernel): Promise<void> {
    for (const feature of kernel.requires ?? []) {
      if (!this.device.features.has(feature)) {
        throw new GpuError(
          'unsupported',
          `kernel ${kernel.key} needs the device feature ${feature}`,
        );
      }
    }
    const code = codeOf(kernel);
    const module = this.device.createShaderModule({ code, label: kernel.key });
    try {
      const pipeline = await this.device.createComputePipelineAsync({
        label: kernel.key,
        layout: this.layout(kernel.bindings).pipeline,
        compute: { module, entryPoint: 'main' },
      });
      const entry = this.entries.get(kernel.key);
      if (entry) entry.pipeline = pipeline;
    } catch (error) {
      throw await compileError(kernel.key, code, module, error);
    }
  }
}

/** What the compiler says of a kernel, with its numbered lines; or that there is no device any more to say it. */
async function compileError(
  key: string,
  code: string,
  module: GPUShaderModule,
  cause: unknown,
): Promise<GpuError> {
  let info: GPUCompilationInfo;
  try {
    info = await module.getCompilationInfo();
  } catch {
    return new GpuError('lost', `the GPU device went away while kernel ${key} was compiled`, {
      cause,
    });
  }
  const messages = info.messages.map((m) => `${m.lineNum}:${m.linePos} ${m.message}`);
  const source = code
    .split('\n')
    .map((line, index) => `${String(index + 1).padStart(4)} ${line}`)
    .join('\n');
  return new GpuError(
    'validation',
    `kernel ${key} does not compile: ${messages.join('; ') || String(cause)}\n${source}`,
    { cause },
  );
}

/** @throws GpuError `unsupported` if there is no such kernel (over f16, of what is no array of floats) */
function codeOf(kernel: Kernel): string {
  try {
    return kernel.code();
  } catch (error) {
    throw new GpuError('unsupported', (error as Error).message, { cause: error });
  }
}
