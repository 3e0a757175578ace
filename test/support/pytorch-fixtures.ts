import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseSafetensors } from '../../src/nn/safetensors.ts';

const FOLDER = new URL('../fixtures/pytorch/', import.meta.url);

/** A JSON fixture of test/fixtures/pytorch; the caller knows its form from the script that wrote it. */
export function readFixture<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8')) as T;
}

/** Float tensors of one fixture file, by name. */
export class FixtureTensors {
  private readonly file: string;
  private readonly tensors: ReturnType<typeof parseSafetensors>['tensors'];

  constructor(name: string) {
    this.file = fileURLToPath(new URL(name, FOLDER));
    this.tensors = parseSafetensors(readFileSync(this.file), this.file).tensors;
  }

  get names(): string[] {
    return [...this.tensors.keys()];
  }

  shape(name: string): readonly number[] {
    return this.tensor(name).shape;
  }

  /** @throws Error unless the tensor is there and holds f32 */
  floats(name: string): Float32Array {
    const { data, dtype } = this.tensor(name);
    if (!(data instanceof Float32Array)) throw new Error(`${this.file}: ${name} holds ${dtype}`);
    return data;
  }

  /** @throws Error unless the tensor is there and holds bytes */
  bytes(name: string): Uint8Array {
    const { data, dtype } = this.tensor(name);
    if (!(data instanceof Uint8Array)) throw new Error(`${this.file}: ${name} holds ${dtype}`);
    return data;
  }

  private tensor(name: string) {
    const tensor = this.tensors.get(name);
    if (!tensor) throw new Error(`${this.file}: no tensor ${name}`);
    return tensor;
  }
}
