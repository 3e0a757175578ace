import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tensorlike } from '../../src/nn/network.ts';
import { readArray, writeArray } from './job.ts';

/** Tensors of one training step in one file, with a list of names and shapes beside it. */
interface Entry {
  readonly name: string;
  readonly shape: readonly number[];
  /** In elements. */
  readonly offset: number;
}

/** Losses of our first steps, by name. */
export type Losses = Readonly<Record<string, number>>;

export function writeState(
  folder: string,
  name: string,
  tensors: ReadonlyMap<string, Tensorlike>,
): void {
  const entries: Entry[] = [];
  let length = 0;
  for (const [key, { shape, data }] of tensors) {
    entries.push({ name: key, shape, offset: length });
    length += data.length;
  }
  const all = new Float32Array(length);
  let at = 0;
  for (const { data } of tensors.values()) {
    all.set(data, at);
    at += data.length;
  }
  writeArray(folder, name, all);
  writeFileSync(join(folder, `${name}.json`), JSON.stringify(entries));
}

export function readState(folder: string, name: string): Map<string, Tensorlike> {
  const all = readArray(folder, name);
  const entries = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Entry[];
  return new Map(
    entries.map(({ name: key, shape, offset }) => {
      const size = shape.reduce((product, extent) => product * extent, 1);
      return [key, { shape, data: all.slice(offset, offset + size) }];
    }),
  );
}

export function writeLosses(folder: string, name: string, losses: readonly Losses[]): void {
  writeFileSync(join(folder, `${name}.losses.json`), JSON.stringify(losses));
}

export function readLosses(folder: string, name: string): Losses[] {
  return JSON.parse(readFileSync(join(folder, `${name}.losses.json`), 'utf8')) as Losses[];
}
