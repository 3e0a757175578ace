/** What a checkpoint says of itself beside its tensors (`state.json`). Browser-safe. */
import { CheckpointError } from '../errors.ts';

/** Version of the checkpoint layout that this program writes and reads. */
export const CHECKPOINT_FORMAT = 1;

/** What a network is built from: the method's name and every option that shapes its tensors. */
export interface Architecture {
  method: string;
  [option: string]: unknown;
}

/** Everything beside the tensors that a resumed run needs. All values must be plain JSON. */
export interface TrainingState {
  /** Optimiser steps done so far; 0 is the initialisation. */
  step: number;
  epoch: number;
  /** Index of the next batch within the epoch. */
  batchIndex: number;
  architecture: Architecture;
  /** State of every random stream by name. */
  rng: Record<string, unknown>;
  /** Scalars of every optimiser, schedule and gradient scaler by name; moments are tensors. */
  optimizers: Record<string, unknown>;
  /** Best validation score so far by metric, and the step that reached it. */
  best: Record<string, { value: number; step: number }>;
  /** Whatever else the program needs to go on. */
  extra?: Record<string, unknown>;
}

/** Size and checksum of one file of a checkpoint folder. */
export interface FileRecord {
  bytes: number;
  sha256: string;
}

/** The content of `state.json`. */
export interface CheckpointState extends TrainingState {
  format: number;
  /** Every other file of the folder by name. */
  files: Record<string, FileRecord>;
}

/** SHA-256 in hexadecimal, by the Web Cryptography that Node and secure pages have. */
export async function sha256(content: Uint8Array | string): Promise<string> {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  // Its type leaves out memory shared between threads, which nothing here uses.
  const digest = await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** JSON writes NaN and infinity as null and drops undefined; a checkpoint must not. */
function assertPlainJson(value: unknown, path: string): void {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return;
  if (typeof value === 'number' && Number.isFinite(value)) return;
  if (Array.isArray(value)) {
    value.forEach((item, index) => {
      assertPlainJson(item, `${path}[${index}]`);
    });
    return;
  }
  if (isRecord(value) && [Object.prototype, null].includes(Object.getPrototypeOf(value))) {
    for (const [key, item] of Object.entries(value)) {
      assertPlainJson(item, path === '' ? key : `${path}.${key}`);
    }
    return;
  }
  throw new CheckpointError(
    `checkpoint state: ${path || 'state'} is ${String(value)}, which JSON cannot hold`,
  );
}

/**
 * The text of `state.json`: the state and, last, a checksum of its own JSON.
 * @throws CheckpointError naming the field if a value is not plain JSON (NaN, undefined, a class)
 */
export async function encodeState(state: CheckpointState): Promise<string> {
  assertPlainJson(state, '');
  const checksum = await sha256(JSON.stringify(state));
  return `${JSON.stringify({ ...state, checksum }, null, 2)}\n`;
}

function isFileRecord(value: unknown): value is FileRecord {
  return isRecord(value) && typeof value.bytes === 'number' && typeof value.sha256 === 'string';
}

/**
 * Reads the text of `state.json`.
 * @param path what to call the file in messages
 * @throws CheckpointError if it is damaged, of another format version, or lacks a field
 */
export async function decodeState(text: string, path: string): Promise<CheckpointState> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new CheckpointError(`${path}: damaged: not valid JSON`, { cause });
  }
  if (!isRecord(json)) throw new CheckpointError(`${path}: damaged: not an object`);
  if (json.format !== CHECKPOINT_FORMAT) {
    throw new CheckpointError(
      `${path}: expected checkpoint format ${CHECKPOINT_FORMAT}, found ${JSON.stringify(json.format) ?? 'none'}`,
    );
  }
  const { checksum, ...state } = json;
  const found = await sha256(JSON.stringify(state));
  if (checksum !== found) {
    throw new CheckpointError(
      `${path}: damaged: its checksum says ${String(checksum)}, its content gives ${found}`,
    );
  }
  const { step, epoch, batchIndex, architecture, rng, optimizers, best, files } = state;
  const need = (ok: boolean, field: string) => {
    if (!ok) throw new CheckpointError(`${path}: field ${field} is missing or of another type`);
  };
  need(Number.isSafeInteger(step), 'step');
  need(Number.isSafeInteger(epoch), 'epoch');
  need(Number.isSafeInteger(batchIndex), 'batchIndex');
  need(isRecord(architecture) && typeof architecture.method === 'string', 'architecture');
  need(isRecord(rng), 'rng');
  need(isRecord(optimizers), 'optimizers');
  need(isRecord(best), 'best');
  // A plain name, so that no checkpoint makes the reader look outside its own folder.
  const isPlain = (name: string) => /^[A-Za-z0-9_][A-Za-z0-9_.-]*\.safetensors$/.test(name);
  need(
    isRecord(files) &&
      Object.values(files).every(isFileRecord) &&
      Object.keys(files).every(isPlain),
    'files',
  );
  // Every field has just been checked; the compiler cannot follow that through the record.
  return state as unknown as CheckpointState;
}

/** Path, expected and found value of the first difference between two JSON values. */
function firstDifference(
  expected: unknown,
  found: unknown,
  path: string,
): { path: string; expected: unknown; found: unknown } | undefined {
  if (isRecord(expected) && isRecord(found)) {
    for (const key of new Set([...Object.keys(expected), ...Object.keys(found)])) {
      const difference = firstDifference(
        expected[key],
        found[key],
        path === '' ? key : `${path}.${key}`,
      );
      if (difference) return difference;
    }
    return undefined;
  }
  const same = JSON.stringify(expected) === JSON.stringify(found);
  return same ? undefined : { path, expected, found };
}

/**
 * Checks that a checkpoint belongs to the networks about to take its tensors.
 * @param where what to call the checkpoint in the message
 * @throws CheckpointError with the first differing field, expected and found
 */
export function expectArchitecture(
  state: { architecture: Architecture },
  expected: Architecture,
  where = 'checkpoint',
): void {
  const difference = firstDifference(expected, state.architecture, '');
  if (!difference) return;
  const show = (value: unknown) => JSON.stringify(value) ?? 'nothing';
  throw new CheckpointError(
    `${where}: is of another architecture: field ${difference.path}: expected ${show(difference.expected)}, found ${show(difference.found)}`,
  );
}
