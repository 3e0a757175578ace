import { Parameter } from '../autograd/parameter.ts';
import { type Shape, sizeOf } from '../autograd/tensor.ts';
import { ShapeError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { Storage } from '../gpu/storage.ts';

/** Largest arena in bytes: half of WebGPU's default binding limit of 128 MiB. */
const ARENA_BYTES = 64 * 2 ** 20;

/** Storage offsets must be multiples of this (WebGPU's default limit). */
export const ALIGNMENT = 256;

/** A parameter to be: its name within the network, shape, and first values. */
export interface ParameterDeclaration {
  readonly name: string;
  readonly shape: Shape;
  readonly initialise: () => Float32Array;
  /** Default true. False: no gradient is computed, it counts as 0. */
  readonly requiresGrad?: boolean;
}

/** One contiguous stretch of parameters and, at the same offsets, of their gradients. */
export interface Arena {
  readonly value: Storage;
  readonly gradient: Storage;
  /** 32-bit elements, alignment gaps included; gaps hold zeros. */
  readonly length: number;
}

/** Where a parameter lies. */
interface Placement {
  readonly arena: number;
  /** In bytes. */
  readonly offset: number;
}

/**
 * The parameters of one network, packed into a few arenas, so that an optimiser updates all of them
 * in a few dispatches and no single binding exceeds WebGPU's default limit.
 */
export class ParameterSet {
  readonly gpu: Gpu;
  readonly arenas: readonly Arena[];
  private readonly byName = new Map<string, Parameter>();
  private readonly placements = new Map<string, Placement>();

  constructor(gpu: Gpu, declarations: readonly ParameterDeclaration[]) {
    this.gpu = gpu;
    const lengths = this.place(declarations);
    this.arenas = lengths.map((length) => ({
      value: persistent(gpu, length),
      gradient: persistent(gpu, length),
      length,
    }));
    // Drawing the paper's 109 million weights takes longer than all that a blank device is for.
    const contents = lengths.map((length) => new Float32Array(gpu.isBlank ? 0 : length));
    for (const { name, shape, initialise, requiresGrad } of declarations) {
      const { arena, offset } = this.placement(name);
      const bytes = 4 * sizeOf(shape);
      if (!gpu.isBlank) {
        const values = initialise();
        if (values.byteLength !== bytes) {
          throw new ShapeError(`initialiser of ${name} gave ${values.length} values`);
        }
        contents[arena].set(values, offset / 4);
      }
      this.byName.set(
        name,
        new Parameter(
          gpu,
          shape,
          partOf(gpu, this.arenas[arena].value, offset, bytes),
          partOf(gpu, this.arenas[arena].gradient, offset, bytes),
          name,
          requiresGrad,
        ),
      );
    }
    this.arenas.forEach((arena, index) => {
      gpu.write(arena.value, contents[index]);
      gpu.write(arena.gradient, new Float32Array(gpu.isBlank ? 0 : arena.length));
    });
  }

  get names(): readonly string[] {
    return [...this.byName.keys()];
  }

  /** Number of trained values. */
  get count(): number {
    let count = 0;
    for (const parameter of this.byName.values()) count += parameter.size;
    return count;
  }

  get(name: string): Parameter {
    const parameter = this.byName.get(name);
    if (!parameter) throw new ShapeError(`no parameter ${name} in ${this.names.join(', ')}`);
    return parameter;
  }

  all(): Parameter[] {
    return [...this.byName.values()];
  }

  /** Forgets the gradients of the last step. */
  zeroGradients(): void {
    for (const parameter of this.byName.values()) parameter.gradient.filled = false;
  }

  /** Brings arenas (values, gradients, or an optimiser's moments) to the host, cut by parameter. */
  async readArenas(storages: readonly Storage[]): Promise<Map<string, Float32Array>> {
    const contents: Float32Array[] = [];
    for (const [index, storage] of storages.entries()) {
      contents.push(new Float32Array(await this.gpu.read(storage, this.arenas[index].length)));
    }
    const result = new Map<string, Float32Array>();
    for (const [name, parameter] of this.byName) {
      const { arena, offset } = this.placement(name);
      result.set(name, contents[arena].slice(offset / 4, offset / 4 + parameter.size));
    }
    return result;
  }

  /** Fills arenas from per-parameter values; names must match exactly. */
  writeArenas(storages: readonly Storage[], values: ReadonlyMap<string, Float32Array>): void {
    const contents = this.arenas.map((arena) => new Float32Array(arena.length));
    for (const [name, parameter] of this.byName) {
      const data = values.get(name);
      if (!data || data.length !== parameter.size) {
        throw new ShapeError(
          `${name}: expected ${parameter.size} values, found ${data ? data.length : 'none'}`,
        );
      }
      const { arena, offset } = this.placement(name);
      contents[arena].set(data, offset / 4);
    }
    storages.forEach((storage, index) => {
      this.gpu.write(storage, contents[index]);
    });
  }

  read(): Promise<Map<string, Float32Array>> {
    return this.readArenas(this.arenas.map((arena) => arena.value));
  }

  readGradients(): Promise<Map<string, Float32Array>> {
    return this.readArenas(this.arenas.map((arena) => arena.gradient));
  }

  write(values: ReadonlyMap<string, Float32Array>): void {
    this.writeArenas(
      this.arenas.map((arena) => arena.value),
      values,
    );
  }

  /** For weights that are not trained: no gradient will be asked for, and its memory is given back. */
  freeze(): void {
    for (const parameter of this.byName.values()) parameter.requiresGrad = false;
    for (const { gradient } of this.arenas) this.gpu.dispose(gradient);
  }

  /** Arenas of zeros, laid out like the parameters (for an optimiser's moments). */
  zerosLike(): Storage[] {
    return this.arenas.map((arena) => {
      const storage = persistent(this.gpu, arena.length);
      this.gpu.write(storage, new Float32Array(arena.length));
      return storage;
    });
  }

  dispose(): void {
    for (const arena of this.arenas) {
      this.gpu.dispose(arena.value);
      this.gpu.dispose(arena.gradient);
    }
    // Whoever uses them still is told so: their memory will hold something else.
    for (const { storage } of this.byName.values()) this.gpu.dispose(storage);
  }

  private placement(name: string): Placement {
    const placement = this.placements.get(name);
    if (!placement) throw new ShapeError(`no parameter ${name}`);
    return placement;
  }

  /** Assigns offsets in order; returns the length of each arena in elements. */
  private place(declarations: readonly ParameterDeclaration[]): number[] {
    const ends: number[] = [];
    for (const { name, shape } of declarations) {
      if (this.placements.has(name)) throw new ShapeError(`parameter ${name} is declared twice`);
      const bytes = sizeOf(shape) * 4;
      const last = ends.length - 1;
      if (last < 0 || ends[last] + bytes > ARENA_BYTES) ends.push(0);
      const arena = ends.length - 1;
      this.placements.set(name, { arena, offset: ends[arena] });
      ends[arena] = Math.ceil((ends[arena] + bytes) / ALIGNMENT) * ALIGNMENT;
    }
    return ends.map((end) => end / 4);
  }
}

function persistent(gpu: Gpu, length: number): Storage {
  const storage = gpu.allocate(length * 4);
  gpu.keep(storage);
  gpu.recorder.materialise(storage);
  return storage;
}

/** A stretch of an arena, from a multiple of `ALIGNMENT` on. */
export function partOf(gpu: Gpu, arena: Storage, offset: number, bytes: number): Storage {
  const { buffer } = gpu.recorder.materialise(arena);
  return new Storage(bytes, { buffer, offset }, 'f32', arena);
}
