/** The model that comes with the package, or with a checkout. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError } from '../errors.ts';
import { readFailure } from '../files.ts';
import { parseSafetensors } from '../nn/safetensors.ts';
import { architectureOf } from './architecture-metadata.ts';
import type { Architecture } from './checkpoint-state.ts';
import type { TensorMap } from './method-state.ts';
import { packageFolder } from './package-folder.ts';

/** Where a checkout keeps it, for the demo page to serve; where the build puts it in the package. */
const PLACES = ['web/public/models/G_H.safetensors', 'dist/models/G_H.safetensors'];

/** A generator in a file of its own. */
export interface GeneratorFile {
  readonly path: string;
  readonly architecture: Architecture;
  readonly tensors: TensorMap;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * The bundled model.
 * @throws CheckpointError if this copy was made without one, or it is damaged
 */
export function readBundledModel(): GeneratorFile {
  const root = packageFolder();
  const path = PLACES.map((place) => join(root, place)).find((place) => existsSync(place));
  if (path === undefined) {
    throw new CheckpointError(
      `this copy of sonolift has no bundled model (looked for ${PLACES.join(', ')} in ${root}): name ` +
        'one with --checkpoint',
    );
  }
  return readGeneratorFile(path);
}

/**
 * A `G_H.safetensors` that says what it is.
 * @throws CheckpointError if it cannot be read or does not say
 */
export function readGeneratorFile(path: string): GeneratorFile {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new CheckpointError(`${path}: cannot be read: ${readFailure(cause)}`, { cause });
  }
  const { tensors, metadata } = parseSafetensors(bytes, path);
  const architecture = architectureOf(metadata, path);
  if (!architecture) {
    throw new CheckpointError(`${path}: its metadata does not say what it is`);
  }
  return { path, architecture, tensors, metadata };
}
