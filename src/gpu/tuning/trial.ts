import {
  ELEMENT_BYTES,
  type ElementType,
  withElementTypes,
} from '../../../kernels/element-types.ts';
import { elementwiseScale } from '../../../kernels/elementwise.ts';
import type { Kernel, Operand, Plan } from '../../../kernels/kernel.ts';
import { GpuError } from '../../errors.ts';
import type { Gpu } from '../gpu.ts';
import { halfBitsToFloat32 } from '../half-float.ts';
import type { Storage } from '../storage.ts';
import type { Contest, ContestInput } from './contest.ts';

/** The time for tuning is over. */
export class OutOfTime extends Error {}

/** Numbers that repeat with a prime period, so that no row or plane of an image is like the next. */
const PERIOD = 4093;

function inputValues({ length, scale }: ContestInput, seed: number): Float32Array {
  const values = new Float32Array(length);
  let state = seed + 1;
  const first = Math.min(length, PERIOD);
  for (let i = 0; i < first; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = scale * (state / 2 ** 31 - 1);
  }
  for (let done = first; done < length; done *= 2)
    values.copyWithin(done, 0, Math.min(done, length - done));
  return values;
}

/** Uploads values; where they are to be f16, the device rounds them. */
function upload(gpu: Gpu, values: Float32Array, elementType: ElementType = 'f32'): Storage {
  const wide = gpu.upload(values);
  if (elementType === 'f32') return wide;
  const narrow = gpu.allocate(values.length * ELEMENT_BYTES[elementType], elementType);
  gpu.run(elementwiseScale(1, values.length, gpu.profile), [wide, narrow]);
  gpu.dispose(wide);
  return narrow;
}

async function download(gpu: Gpu, storage: Storage, length: number): Promise<Float32Array> {
  const { elementType } = storage;
  const bytes = await gpu.read(storage, Math.ceil((length * ELEMENT_BYTES[elementType]) / 4));
  if (elementType === 'f32') return new Float32Array(bytes);
  return Float32Array.from(new Uint16Array(bytes).subarray(0, length), halfBitsToFloat32);
}

/** Inputs of a contest on the device, to run its variants on. */
export class Trial {
  private readonly gpu: Gpu;
  private readonly contest: Contest;
  private readonly inputs: readonly Storage[];
  private readonly output: Storage;

  constructor(gpu: Gpu, contest: Contest) {
    this.gpu = gpu;
    this.contest = contest;
    // A scope gives back what was made if there is no memory for the rest.
    const { inputs, output } = gpu.scope(() => ({
      inputs: contest.inputs.map((input, index) =>
        upload(gpu, inputValues(input, index), input.elementType),
      ),
      output: upload(gpu, new Float32Array(contest.output), contest.outputType),
    }));
    contest.inputs.forEach(({ isConstant = false }, index) => {
      inputs[index].constant = isConstant;
    });
    this.inputs = inputs;
    this.output = output;
  }

  /** Whether the plan's scratch space fits into the device's bindings and the memory budget. */
  fits(plan: Plan): boolean {
    const { maxStorageBufferBindingSize } = this.gpu.device.limits;
    const { budgetBytes, liveBytes } = this.gpu.memory();
    const bytes = plan.temporaries.map((length) => length * 4);
    const all = bytes.reduce((sum, each) => sum + each, 0);
    return liveBytes + all < budgetBytes && Math.max(0, ...bytes) <= maxStorageBufferBindingSize;
  }

  /**
   * Compiles a plan's kernels.
   * @throws GpuError if one does not compile; OutOfTime when `milliseconds` are over
   */
  async compile(plan: Plan, milliseconds: number): Promise<void> {
    const { pipelines, device } = this.gpu;
    // What a compiler says is told by the pipeline too, and with it this promise is broken.
    device.pushErrorScope('validation');
    for (const kernel of this.kernelsOf(plan)) pipelines.request(kernel);
    await device.popErrorScope();
    const settled = pipelines.settle();
    // What comes after the time is over is nobody's business any more.
    settled.catch(() => undefined);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new OutOfTime()), Math.max(0, milliseconds));
    });
    await Promise.race([settled, late]).finally(() => clearTimeout(timer));
  }

  /**
   * The result of a compiled plan, from an output full of NaN: a dispatch that the driver drops shows.
   * @throws GpuError if the device rejects it
   */
  async result(plan: Plan): Promise<Float32Array> {
    const { gpu, contest } = this;
    const nothing = new Float32Array(contest.output).fill(Number.NaN);
    const output = upload(gpu, nothing, contest.outputType);
    try {
      return await this.guarded(async () => {
        gpu.runPlan(plan, this.inputs, [output]);
        return await download(gpu, output, contest.output);
      });
    } finally {
      gpu.dispose(output);
    }
  }

  /** A plan's kernels as `Gpu.runPlan` makes them for what is bound here. */
  private kernelsOf({ steps, alike }: Plan): Kernel[] {
    const typeOf = (operand: Operand): ElementType => {
      if ('input' in operand) return this.inputs[operand.input].elementType;
      if ('output' in operand) return this.output.elementType;
      const like = alike?.find(({ temporary }) => temporary === operand.temporary);
      return like ? this.inputs[like.input].elementType : 'f32';
    };
    return steps.map(({ kernel, operands }) => withElementTypes(kernel, operands.map(typeOf)));
  }

  /** Runs a compiled plan `count` times and waits. */
  async run(plan: Plan, count: number): Promise<void> {
    for (let i = 0; i < count; i++) this.gpu.runPlan(plan, this.inputs, [this.output]);
    await this.gpu.finish();
  }

  dispose(): void {
    for (const storage of [...this.inputs, this.output]) this.gpu.dispose(storage);
  }

  /** Turns errors that the device reports of `work` into exceptions, and keeps them from everyone else. */
  private async guarded<T>(work: () => Promise<T>): Promise<T> {
    const { device } = this.gpu;
    device.pushErrorScope('out-of-memory');
    device.pushErrorScope('validation');
    let result: T;
    const errors: (GPUError | null)[] = [];
    try {
      result = await work();
    } finally {
      errors.push(await device.popErrorScope(), await device.popErrorScope());
    }
    const [validation, memory] = errors;
    if (validation) throw new GpuError('validation', validation.message);
    if (memory) throw new GpuError('out-of-memory', memory.message);
    return result;
  }
}
