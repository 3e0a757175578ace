import { CYCLEGAN } from './cyclegan.ts';
import type { AnyMethodKind } from './method-kind.ts';
import { MSPGAN } from './mspgan.ts';
import { PIX2PIX } from './pix2pix.ts';
import { PROPOSED } from './proposed.ts';
import { REGGAN } from './reggan.ts';
import { STABLE_CYCLEGAN } from './stable-cyclegan.ts';

/** Every method that can be trained, scored and enhanced with. */
export const METHODS: readonly AnyMethodKind[] = [
  PROPOSED,
  PIX2PIX,
  CYCLEGAN,
  REGGAN,
  STABLE_CYCLEGAN,
  MSPGAN,
];

export const METHOD_NAMES: readonly string[] = METHODS.map(({ name }) => name);

/** The method of a name, or undefined. */
export function findMethod(name: string): AnyMethodKind | undefined {
  return METHODS.find((method) => method.name === name);
}
