import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../errors.ts';
import { writeError, writeFileAtomic } from '../files.ts';

/** What a run folder says of how it was made (`config.json`). */
export interface RunConfiguration {
  readonly command: string;
  readonly adapter: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly started: string;
  readonly options: unknown;
}

/**
 * Makes a run folder, or opens one to go on.
 * @throws UsageError if a new run would overwrite an old one, or there is nothing to resume
 */
export async function prepareRunFolder(folder: string, resume: boolean): Promise<void> {
  const checkpoints = join(folder, 'checkpoints');
  const hasRun = existsSync(checkpoints) && (await readdir(checkpoints)).length > 0;
  if (hasRun && !resume) {
    throw new UsageError(
      `${folder} already holds a run: add --resume to go on, or name another --out`,
    );
  }
  if (!hasRun && resume) {
    throw new UsageError(`${folder} holds no checkpoint to resume from`);
  }
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
