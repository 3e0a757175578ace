import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../errors.ts';
import {
  isTemporaryName,
  REPLACED_SUFFIX,
  removeFolderAtomic,
  writeFolderAtomic,
} from '../files.ts';
import {
  type CheckpointContent,
  checkpointFiles,
  type FileChoice,
  readCheckpointFiles,
  readCheckpointState,
  stepFolderName,
} from './checkpoint-files.ts';
import type { TrainingState } from './checkpoint-state.ts';
import type { TensorMap } from './method-state.ts';

export { type FileChoice, stepFolderName } from './checkpoint-files.ts';
export {
  type Architecture,
  CHECKPOINT_FORMAT,
  type CheckpointState,
  expectArchitecture,
  type TrainingState,
} from './checkpoint-state.ts';

const STEP_FOLDER = /^step-(\d{6,})(\.replaced)?$/;

/** A checkpoint in memory. */
export interface LoadedCheckpoint extends CheckpointContent {
  /** Why newer checkpoints of the run were passed over, one line each; tell the user. */
  skipped: string[];
}

interface StepFolder {
  step: number;
  path: string;
}

async function listFolder(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}

/** Step folders under a `checkpoints` folder, newest first. */
async function stepFolders(checkpoints: string): Promise<StepFolder[]> {
  const names = await listFolder(checkpoints);
  const folders: StepFolder[] = [];
  for (const name of names) {
    const [match, digits, replaced] = STEP_FOLDER.exec(name) ?? [];
    if (match === undefined) continue;
    // One set aside while its successor was being renamed counts only if that never came.
    if (replaced && names.includes(name.slice(0, -REPLACED_SUFFIX.length))) continue;
    folders.push({ step: Number(digits), path: join(checkpoints, name) });
  }
  return folders.sort((a, b) => b.step - a.step);
}

/** Removes what kills left behind and steps that are no longer to be kept. */
async function prune(checkpoints: string, state: TrainingState, keep: number | undefined) {
  for (const name of await listFolder(checkpoints)) {
    if (isTemporaryName(name)) {
      await rm(join(checkpoints, name), { recursive: true, force: true });
    }
  }
  if (keep === undefined) return;
  const best = Object.values(state.best).map(({ step }) => step);
  const protectedSteps = new Set([0, state.step, ...best]);
  const folders = await stepFolders(checkpoints);
  for (const { step, path } of folders.slice(Math.max(keep, 0))) {
    if (!protectedSteps.has(step)) await removeFolderAtomic(path);
  }
}

/**
 * Writes `<runDir>/checkpoints/step-NNNNNN/` with one safetensors file per entry of `files` and a
 * `state.json` that holds the state and the SHA-256 of each. The folder appears complete or not at
 * all, so a kill at any moment leaves the last good checkpoint usable. One run folder has one
 * writer: leftovers of earlier kills are removed.
 * @param step must equal `state.step`
 * @param files tensors by file name without `.safetensors`, for example `G_H`, `optimizer`
 * @param options.keep how many of the newest checkpoints to keep, besides the initialisation
 * (`step-000000`), this one, and those that `state.best` names; all if absent
 * @returns the folder written
 * @throws DataError if the disk is full or not writable (nothing half-written stays);
 * CheckpointError if the state is not plain JSON
 */
export async function saveCheckpoint(
  runDir: string,
  step: number,
  files: Readonly<Record<string, TensorMap>>,
  state: TrainingState,
  options: { keep?: number } = {},
): Promise<string> {
  if (!Number.isSafeInteger(step) || step < 0 || step !== state.step) {
    throw new CheckpointError(`checkpoint of step ${step} with a state of step ${state.step}`);
  }
  const checkpoints = join(runDir, 'checkpoints');
  const folder = join(checkpoints, stepFolderName(step));
  await writeFolderAtomic(folder, checkpointFiles(files, state));
  await prune(checkpoints, state, options.keep);
  return folder;
}

/** Whether a folder's state.json reads well and all files it names are there in full length. */
async function isComplete(folder: string): Promise<boolean> {
  try {
    const { files } = await readCheckpointState(folder, (name) => readFile(join(folder, name)));
    for (const [name, { bytes }] of Object.entries(files)) {
      if ((await stat(join(folder, name))).size !== bytes) return false;
    }
    return true;
  } catch {
    return false;
  }
}

/**
 * The newest complete checkpoint folder of a run, undefined if there is none. Temporary and
 * incomplete folders are passed over; checksums of tensor files are left to loadCheckpoint.
 */
export async function latestCheckpoint(runDir: string): Promise<string | undefined> {
  for (const { path } of await stepFolders(join(runDir, 'checkpoints'))) {
    if (await isComplete(path)) return path;
  }
  return undefined;
}

/** Whether a run folder has any checkpoint, whole or damaged. */
export async function holdsCheckpoints(runDir: string): Promise<boolean> {
  return (await stepFolders(join(runDir, 'checkpoints'))).length > 0;
}

function loadFolder(folder: string, choice: FileChoice): Promise<CheckpointContent> {
  return readCheckpointFiles(folder, (name) => readFile(join(folder, name)), choice);
}

/**
 * Reads a checkpoint and verifies every checksum.
 * @param path a checkpoint folder; or a run folder or its `checkpoints`, of which the newest good
 * checkpoint is taken (those passed over are told in `skipped`)
 * @throws CheckpointError naming the file that is missing or damaged
 */
export async function loadCheckpoint(
  path: string,
  choice: FileChoice = {},
): Promise<LoadedCheckpoint> {
  const names = await listFolder(path);
  if (names.length === 0) {
    throw new CheckpointError(`${path}: no such checkpoint or run folder, or an empty one`);
  }
  const isRun = names.includes('checkpoints');
  if (!isRun && !names.some((name) => STEP_FOLDER.test(name))) {
    return { ...(await loadFolder(path, choice)), skipped: [] };
  }
  const skipped: string[] = [];
  for (const { path: folder } of await stepFolders(isRun ? join(path, 'checkpoints') : path)) {
    try {
      return { ...(await loadFolder(folder, choice)), skipped };
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      skipped.push(error.message);
    }
  }
  const reason = skipped.length > 0 ? `no good checkpoint: ${skipped.join('; ')}` : 'no checkpoint';
  throw new CheckpointError(`${path}: ${reason}`);
}
