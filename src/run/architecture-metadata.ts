/** The architecture within a safetensors file, so that a generator's file says what it is. */
import { CheckpointError } from '../errors.ts';
import type { Architecture } from './checkpoint-state.ts';

const KEY = 'architecture';

/** Safetensors metadata that holds an architecture. */
export function architectureMetadata(architecture: Architecture): Record<string, string> {
  return { [KEY]: JSON.stringify(architecture) };
}

/**
 * The architecture that a safetensors file's metadata holds, `undefined` if it holds none.
 * @param file what to call the file in messages
 * @throws CheckpointError if it is there and not an object with a method
 */
export function architectureOf(
  metadata: Readonly<Record<string, string>>,
  file: string,
): Architecture | undefined {
  if (!Object.hasOwn(metadata, KEY)) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(metadata[KEY]);
  } catch (cause) {
    throw new CheckpointError(`${file}: metadata field ${KEY} is not valid JSON`, { cause });
  }
  return requireArchitecture(json, `${file}: metadata field ${KEY}`);
}

/**
 * Checks that a parsed JSON value is an architecture.
 * @param where what to call it in messages
 * @throws CheckpointError if it is not an object with a method
 */
export function requireArchitecture(value: unknown, where: string): Architecture {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  const { method, ...options } = (isObject ? value : {}) as Record<string, unknown>;
  if (typeof method === 'string') return { method, ...options };
  throw new CheckpointError(
    `${where}: expected an object with a method, found ${JSON.stringify(value) ?? 'nothing'}`,
  );
}
