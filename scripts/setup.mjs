// Installs what package-lock.json asks for, when it is not there yet. Runs before everything else, so
// it needs nothing but Node.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NODE_AT_LEAST = 20;
const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The packages of a lock file by path; undefined when there is no such file. */
function packagesOf(path) {
  if (!existsSync(path)) return undefined;
  return JSON.parse(readFileSync(path, 'utf8')).packages;
}

/** Optional packages are builds for one platform each; those that also name a C library are left to npm. */
function isForThisMachine({ optional, os, cpu, libc }) {
  if (!optional) return true;
  if (libc || !(os || cpu)) return false;
  return (!os || os.includes(process.platform)) && (!cpu || cpu.includes(process.arch));
}

/**
 * Whether the packages in node_modules are those of package-lock.json. npm writes what it installed
 * into a lock file of its own when it has finished; packages beyond the wanted ones do no harm.
 */
function isInstalled() {
  const wanted = packagesOf(join(root, 'package-lock.json'));
  if (wanted === undefined)
    throw new Error('package-lock.json is missing: is this a whole checkout?');
  const present = packagesOf(join(root, 'node_modules', '.package-lock.json'));
  if (present === undefined) return false;
  return Object.entries(wanted).every(
    ([path, entry]) =>
      path === '' ||
      !isForThisMachine(entry) ||
      (present[path]?.version === entry.version && existsSync(join(root, path))),
  );
}

/** Runs npm: the one that runs this script, if any, since Windows cannot start `npm` without a shell. */
function npm(args) {
  const running = process.env.npm_execpath;
  const options = { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] };
  if (running && basename(running) === 'npm-cli.js') {
    return spawnSync(process.execPath, [running, ...args], options);
  }
  return spawnSync('npm', args, { ...options, shell: process.platform === 'win32' });
}

function install() {
  const started = Date.now();
  process.stdout.write('setup: installing packages (npm ci) ... ');
  // Install scripts only fetch or build what the packages hold ready-made.
  const result = npm([
    'ci',
    '--ignore-scripts',
    '--include=dev',
    '--include=optional',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ]);
  if (result.status === 0) {
    console.log(`done in ${Math.round((Date.now() - started) / 1000)} s`);
    return 0;
  }
  console.log('failed');
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  const reason = result.error ? result.error.message : `npm ended with code ${result.status}`;
  console.error(
    `setup: the packages could not be installed (${reason}). ` +
      'Check that npm works, that the package registry can be reached and that the disk has 500 MB free, then try again.',
  );
  return 1;
}

function main() {
  if (Number.parseInt(process.versions.node, 10) < NODE_AT_LEAST) {
    console.error(
      `setup: Sonolift needs Node ${NODE_AT_LEAST} or later, this is ${process.versions.node}.`,
    );
    return 1;
  }
  return isInstalled() ? 0 : install();
}

try {
  process.exitCode = main();
} catch (error) {
  console.error(`setup: ${error.message}`);
  process.exitCode = 1;
}
