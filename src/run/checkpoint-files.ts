/** The files of one checkpoint as bytes, wherever they are kept: a folder, or a page's zip. Browser-safe. */
import { CheckpointError, DataError } from '../errors.ts';
import type { HostTensor } from '../nn/host-tensor.ts';
import { parseSafetensors, serializeSafetensors } from '../nn/safetensors.ts';
import { architectureMetadata } from './architecture-metadata.ts';
import {
  CHECKPOINT_FORMAT,
  type CheckpointState,
  decodeState,
  encodeState,
  type FileRecord,
  sha256,
  type TrainingState,
} from './checkpoint-state.ts';
import type { TensorMap } from './method-state.ts';

export const STATE_FILE = 'state.json';
const SUFFIX = '.safetensors';

/** `step-000123`: the folder name of a step. */
export function stepFolderName(step: number): string {
  return `step-${String(step).padStart(6, '0')}`;
}

/** What a checkpoint holds. */
export interface CheckpointContent {
  /** The folder it was read from, or what else to call it in messages. */
  folder: string;
  state: CheckpointState;
  /** Tensors by file name without `.safetensors`. */
  files: Record<string, Map<string, HostTensor>>;
}

/** Files to read, without `.safetensors`. */
export interface FileChoice {
  /** Only these, which must be there, for example the generator; all if absent. */
  readonly only?: readonly string[];
  /** Besides `only`, these if they are there. */
  readonly ifThere?: readonly string[];
}

/** Fetches one file of a checkpoint. */
export type ReadFile = (name: string) => Promise<Uint8Array>;

/**
 * The files of a checkpoint one after the other, `state.json` with the SHA-256 of each last.
 * @param files tensors by file name without `.safetensors`, for example `G_H`, `optimizer_G`
 * @throws CheckpointError if a name is not plain or the state is not plain JSON
 */
export async function* checkpointFiles(
  files: Readonly<Record<string, TensorMap>>,
  state: TrainingState,
): AsyncGenerator<[name: string, bytes: Uint8Array], void, undefined> {
  for (const name of Object.keys(files)) {
    if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(name)) {
      throw new CheckpointError(
        `checkpoint file name ${JSON.stringify(name)}: use letters, digits, _ . -`,
      );
    }
  }
  const records: Record<string, FileRecord> = {};
  for (const [stem, tensors] of Object.entries(files)) {
    const name = `${stem}${SUFFIX}`;
    const bytes = serializeSafetensors(tensors, architectureMetadata(state.architecture));
    records[name] = { bytes: bytes.length, sha256: await sha256(bytes) };
    yield [name, bytes];
  }
  const text = await encodeState({ ...state, format: CHECKPOINT_FORMAT, files: records });
  yield [STATE_FILE, new TextEncoder().encode(text)];
}

/**
 * Reads and checks `state.json`.
 * @throws CheckpointError if it is missing or damaged
 */
export async function readCheckpointState(
  folder: string,
  read: ReadFile,
): Promise<CheckpointState> {
  const path = `${folder}/${STATE_FILE}`;
  let bytes: Uint8Array;
  try {
    bytes = await read(STATE_FILE);
  } catch (cause) {
    throw new CheckpointError(`${path}: cannot be read: not a complete checkpoint`, { cause });
  }
  return decodeState(new TextDecoder().decode(bytes), path);
}

/**
 * Reads a checkpoint and verifies every checksum.
 * @param folder what to call it in messages
 * @throws CheckpointError naming the file that is missing or damaged
 */
export async function readCheckpointFiles(
  folder: string,
  read: ReadFile,
  { only, ifThere = [] }: FileChoice = {},
): Promise<CheckpointContent> {
  const state = await readCheckpointState(folder, read);
  const files: Record<string, Map<string, HostTensor>> = {};
  for (const stem of only ?? []) {
    if (!Object.hasOwn(state.files, `${stem}${SUFFIX}`)) {
      const found = Object.keys(state.files).join(', ');
      throw new CheckpointError(`${folder}: expected a file ${stem}${SUFFIX}, found ${found}`);
    }
  }
  for (const [name, record] of Object.entries(state.files)) {
    const stem = name.slice(0, -SUFFIX.length);
    if (only && !only.includes(stem) && !ifThere.includes(stem)) continue;
    files[stem] = await readTensors(`${folder}/${name}`, () => read(name), record);
  }
  return { folder, state, files };
}

async function readTensors(
  path: string,
  read: () => Promise<Uint8Array>,
  record: FileRecord,
): Promise<Map<string, HostTensor>> {
  let bytes: Uint8Array;
  try {
    bytes = await read();
  } catch (cause) {
    throw new CheckpointError(`${path}: cannot be read`, { cause });
  }
  if (bytes.length !== record.bytes) {
    throw new CheckpointError(
      `${path}: damaged: expected ${record.bytes} bytes, found ${bytes.length}`,
    );
  }
  const found = await sha256(bytes);
  if (found !== record.sha256) {
    throw new CheckpointError(
      `${path}: damaged: expected SHA-256 ${record.sha256}, found ${found}`,
    );
  }
  try {
    return parseSafetensors(bytes, path).tensors;
  } catch (cause) {
    if (cause instanceof DataError) throw new CheckpointError(cause.message, { cause });
    throw cause;
  }
}
