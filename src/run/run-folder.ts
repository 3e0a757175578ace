import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../errors.ts';
import { requireWritableFolder, writeError, writeFileAtomic } from '../files.ts';
import type { ChosenVariants } from '../gpu/choices.ts';
import { holdsCheckpoints } from './checkpoint.ts';

/** What a run folder says of how it was made (`config.json`). */
export interface RunConfiguration {
  readonly command: string;
  readonly adapter: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly started: string;
  readonly options: unknown;
  /** Kernels chosen by measurement, by shape class; checkpoints hold them too, for resuming. */
  readonly kernels: ChosenVariants;
}

/**
 * Checks, without writing anything, that a run can be written to a folder, or gone on with.
 * @throws UsageError if a new run would overwrite an old one, or there is nothing to resume;
 * DataError if the folder cannot be written
 */
export async function checkRunFolder(folder: string, resume: boolean): Promise<void> {
  await requireWritableFolder(folder);
  const hasRun = await holdsCheckpoints(folder);
  if (hasRun && !resume) {
    throw new UsageError(
      `--out ${folder}: expected no run, found one: add --resume to go on, or name another folder`,
    );
  }
  if (!hasRun && resume) {
    throw new UsageError(`--resume: expected a checkpoint in ${folder}, found none`);
  }
}

/** Makes a run folder; one that exists stays as it is. */
export async function prepareRunFolder(folder: string): Promise<void> {
  try {
    await mkdir(join(folder, 'samples'), { recursive: true });
  } catch (error) {
    throw writeError(folder, error);
  }
}

/** Versions of what computed a result. */
export function versions(): Record<string, string> {
  const own = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const dawn = JSON.parse(
    readFileSync(new URL('../../node_modules/webgpu/package.json', import.meta.url), 'utf8'),
  );
  return { sonolift: own.version, webgpu: dawn.version, node: process.versions.node };
}

/** Writes `config.json`. */
export async function writeRunConfiguration(
  folder: string,
  configuration: RunConfiguration,
): Promise<void> {
  await writeFileAtomic(join(folder, 'config.json'), `${JSON.stringify(configuration, null, 2)}\n`);
}
