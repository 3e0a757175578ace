import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataError } from '../../src/errors.ts';

const HERE = dirname(fileURLToPath(import.meta.url));

/** Where the peers are installed; not part of the repository. */
export const PEERS_FOLDER = join(HERE, '..', '..', '.cache', 'peers');

/**
 * Installs the peers at the versions that `bench/peers/package.json` pins, unless they are there
 * already. No script of theirs runs: their packages hold all that is needed.
 * @throws DataError if the installation fails, with what npm said
 */
export function installPeers(log: (line: string) => void): void {
  const wanted = join(HERE, 'package.json');
  const present = join(PEERS_FOLDER, 'package.json');
  const done = join(PEERS_FOLDER, 'node_modules', '.package-lock.json');
  const same =
    existsSync(done) &&
    existsSync(present) &&
    readFileSync(present, 'utf8') === readFileSync(wanted, 'utf8');
  if (same) return;
  log('installing the peers into .cache/peers (once, about 360 MB) …');
  mkdirSync(PEERS_FOLDER, { recursive: true });
  copyFileSync(wanted, present);
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const result = spawnSync(
    npm,
    ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', PEERS_FOLDER],
    { cwd: PEERS_FOLDER, encoding: 'utf8', shell: process.platform === 'win32' },
  );
  if (result.status !== 0) {
    const said = `${result.stderr ?? ''}${result.error ? String(result.error) : ''}`.trim();
    throw new DataError(
      `the peers could not be installed into ${PEERS_FOLDER}; is the package registry reachable? npm said: ${said.slice(-400)}`,
    );
  }
}
