import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { UsageError } from '../../src/errors.ts';
import { lockFolder } from '../../src/run/folder-lock.ts';

const suite = createSuite<{ folder: string }>('folder lock');
suite.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'sonolift-lock-'));
});
suite.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

async function refusal(folder: string): Promise<string> {
  try {
    await lockFolder(folder);
  } catch (error) {
    assert.instance(error, UsageError);
    return error instanceof Error ? error.message : '';
  }
  return 'was not refused';
}

const holder = (change: object) =>
  JSON.stringify([{ host: hostname(), process: process.pid, ...change }]);

/** The number of a process that has ended. */
function endedProcess(): number {
  return spawnSync(process.execPath, ['--version']).pid;
}

suite('one at a time; gone after release', async ({ folder }) => {
  const job = join(folder, 'new', 'job');
  const lock = await lockFolder(job);
  assert.match(await refusal(job), new RegExp(`in use by process ${process.pid} on`));
  await lock.release();
  assert.equal(readdirSync(job), []);
  const [won, ...lost] = (
    await Promise.allSettled([lockFolder(job), lockFolder(job), lockFolder(job)])
  ).sort((a, b) => (a.status < b.status ? -1 : 1));
  assert.is(won.status, 'fulfilled');
  assert.ok(lost.every(({ status }) => status === 'rejected'));
});

suite('a killed holder does not keep the folder, its living child does', async ({ folder }) => {
  const path = join(folder, 'lock.json');
  writeFileSync(path, holder({ process: endedProcess() }));
  const lock = await lockFolder(folder);
  await lock.release();
  // A process that runs, but started later than the one that is named: the number came again.
  writeFileSync(path, holder({ process: process.ppid, started: '1' }));
  if (existsSync('/proc/self/stat')) await (await lockFolder(folder)).release();
  const dead = JSON.parse(holder({ process: endedProcess() }));
  const alive = JSON.parse(holder({ process: process.ppid }));
  writeFileSync(path, JSON.stringify([...dead, ...alive]));
  assert.match(await refusal(folder), `process ${process.ppid} on`);
});

suite('a holder on another machine counts while it shows itself', async ({ folder }) => {
  const path = join(folder, 'lock.json');
  writeFileSync(path, holder({ host: 'elsewhere', process: endedProcess() }));
  assert.match(await refusal(folder), 'on elsewhere');
  const longAgo = Date.now() / 1000 - 3600;
  utimesSync(path, longAgo, longAgo);
  await (await lockFolder(folder)).release();
  assert.equal(readdirSync(folder), []);
});

suite.run();
