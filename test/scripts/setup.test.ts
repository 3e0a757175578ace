import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const setupScript = fileURLToPath(new URL('../../scripts/setup.mjs', import.meta.url));

/** Stands in for npm: notes its arguments, then installs what the lock file lists, or fails. */
const FAKE_NPM = `
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
appendFileSync('calls', process.argv.slice(2).join(' ') + '\\n');
if (process.env.FAKE_NPM_FAILS) {
  console.error('npm error the registry is away');
  process.exit(1);
}
const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const fitting = Object.entries(packages).filter(([path, { os }]) => path && !os?.includes('plan9'));
for (const [path] of fitting) mkdirSync(path, { recursive: true });
writeFileSync('node_modules/.package-lock.json', JSON.stringify({ packages: Object.fromEntries(fitting) }));
`;

const test = suite('set-up script', { folder: '' });

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'sonolift-test-'));
  mkdirSync(join(context.folder, 'scripts'));
  mkdirSync(join(context.folder, 'npm'));
  copyFileSync(setupScript, join(context.folder, 'scripts', 'setup.mjs'));
  writeFileSync(join(context.folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(context.folder, 'npm', 'npm-cli.js'), FAKE_NPM);
  writeLock(context.folder, '1.0.0');
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

function writeLock(folder: string, version: string) {
  const packages = {
    '': { name: 'project' },
    'node_modules/one': { version },
    'node_modules/elsewhere': { version, optional: true, os: ['plan9'] },
    'node_modules/here': { version, optional: true, os: [process.platform], cpu: [process.arch] },
  };
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ packages }));
}

function setup(folder: string, env: NodeJS.ProcessEnv = {}, args: string[] = []) {
  return spawnSync(process.execPath, [...args, join(folder, 'scripts', 'setup.mjs')], {
    encoding: 'utf8',
    env: { ...process.env, npm_execpath: join(folder, 'npm', 'npm-cli.js'), ...env },
  });
}

function calls(folder: string): number {
  const file = join(folder, 'calls');
  return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').length : 0;
}

test('installs once, then says and does nothing', ({ folder }) => {
  const first = setup(folder);
  assert.is(first.status, 0);
  assert.match(first.stdout, /^setup: installing packages \(npm ci\) \.\.\. done in \d+ s\n$/);
  assert.match(readFileSync(join(folder, 'calls'), 'utf8'), /^ci /);
  const second = setup(folder);
  assert.equal([second.status, second.stdout, second.stderr], [0, '', '']);
  assert.is(calls(folder), 1);
});

test('installs again when the lock file asks for other versions', ({ folder }) => {
  setup(folder);
  writeLock(folder, '1.0.1');
  assert.is(setup(folder).status, 0);
  assert.is(calls(folder), 2);
});

test('installs again when a package or this platform’s build of one has gone', ({ folder }) => {
  setup(folder);
  for (const name of ['one', 'here']) {
    rmSync(join(folder, 'node_modules', name), { recursive: true });
    assert.is(setup(folder).status, 0);
    assert.ok(existsSync(join(folder, 'node_modules', name)));
  }
  assert.is(calls(folder), 3);
});

test('a failing npm is shown with what to do, and tried again next time', ({ folder }) => {
  const { status, stderr } = setup(folder, { FAKE_NPM_FAILS: '1' });
  assert.is(status, 1);
  assert.match(stderr, 'npm error the registry is away');
  assert.match(stderr, /could not be installed \(npm ended with code 1\)\. Check that/);
  assert.is(setup(folder).status, 0);
  assert.is(calls(folder), 2);
});

test('an older Node is named, and nothing is installed', ({ folder }) => {
  const old = join(folder, 'old.cjs');
  writeFileSync(
    old,
    `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.1' } });`,
  );
  const { status, stderr } = setup(folder, {}, ['--require', old]);
  assert.is(status, 1);
  assert.is(stderr, 'setup: Sonolift needs Node 20 or later, this is 18.20.1.\n');
  assert.is(calls(folder), 0);
});

test('a missing lock file is named', ({ folder }) => {
  rmSync(join(folder, 'package-lock.json'));
  const { status, stderr } = setup(folder);
  assert.is(status, 1);
  assert.match(stderr, /^setup: package-lock\.json is missing/);
});

test.run();
