import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runNode } from '../runner/child.ts';
import { formatCounts, outcomeOfTestFile, skipNotices, sumOutcomes } from '../runner/outcome.ts';

const test = suite('test runner');
const folder = mkdtempSync(join(tmpdir(), 'sonolift-test-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const uvu = JSON.stringify(pathToFileURL(createRequire(import.meta.url).resolve('uvu')).href);
let files = 0;

/** Runs a file with uvu's `suite` at hand as the runner would. */
async function outcomeOf(code: string, limit = 60) {
  const file = join(folder, `${files++}.mjs`);
  writeFileSync(file, `import { suite } from ${uvu};\nconst t = suite('s');\n${code}`);
  const { output, ending } = await runNode([file], limit);
  return outcomeOfTestFile(output, ending);
}

test('counts passed, failed and skipped tests of all suites in a file', async () => {
  const outcome = await outcomeOf(`
    t('a', () => {}); t('b', () => { throw new Error('no'); }); t.skip('c', () => {}); t.run();
    const u = suite('u'); u('d', () => {}); u.run();`);
  assert.equal(outcome, { passed: 2, failed: 1, skipped: 1 });
});

test('a file that holds no test has failed, one that says it skips all has not', async () => {
  assert.is((await outcomeOf('t.run();')).fault, 'holds no test');
  assert.is((await outcomeOf('')).failed, 1);
  assert.equal(await outcomeOf(`t.skip('a', () => {}); t.run();`), {
    passed: 0,
    failed: 0,
    skipped: 1,
  });
  const told = await outcomeOf(`console.log('skipped: no data'); t.run();`);
  assert.equal(told, { passed: 0, failed: 0, skipped: 1 });
});

test('a crash has failed, before the summary or after it', async () => {
  const before = await outcomeOf(`t('a', () => process.abort()); t.run();`);
  assert.is(before.failed, 1);
  assert.match(before.fault ?? '', 'no summary');
  const after = await outcomeOf(`
    t('a', () => {}); t.run();
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), 300);`);
  assert.equal([after.passed, after.failed], [1, 1]);
  assert.match(after.fault ?? '', /all passed, then ended/);
});

test('a test that never settles has failed', async () => {
  const outcome = await outcomeOf(`t('a', () => new Promise(() => {})); t.run();`);
  assert.is(outcome.failed, 1);
});

test('a file is ended at its time limit with all it started', async () => {
  const started = performance.now();
  const outcome = await outcomeOf(
    `import { spawn } from 'node:child_process';
     spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' });
     t('a', () => new Promise((done) => setTimeout(done, 60_000))); t.run();`,
    1,
  );
  assert.match(outcome.fault ?? '', 'not finished after 1 s');
  assert.ok(performance.now() - started < 20_000);
});

test('notices of skipped tests are found, the summary is none', () => {
  const notices = skipNotices('  Skipped:   2\n\nskipped: SONOLIFT_DATA is not set\nskipper\n');
  assert.equal(notices, ['skipped: SONOLIFT_DATA is not set']);
});

test('the closing line is the sum, and names skipped tests only if there are any', () => {
  const one = { passed: 2, failed: 1, skipped: 0 };
  assert.is(formatCounts(sumOutcomes([one, one])), '4 passed, 2 failed');
  assert.is(formatCounts({ ...one, skipped: 3 }), '2 passed, 1 failed, 3 skipped');
});

function runTests(...args: string[]) {
  const file = fileURLToPath(new URL('../run.ts', import.meta.url));
  return spawnSync(process.execPath, [...process.execArgv, file, ...args], { encoding: 'utf8' });
}

test('lists what a filter selects, slow files with --full only', () => {
  const { stdout, status } = runTests('--list', 'scripts/', 'gpu/swift');
  assert.is(status, 0);
  assert.ok(stdout.split('\n').includes('test/scripts/runner.test.ts'));
  assert.ok(stdout.split('\n').includes('test/gpu/swiftshader.test.ts'));
  assert.not.match(stdout, 'node-adapter');
  assert.not.match(runTests('--list').stdout, '.slow.test.ts');
});

test('rejects unknown options, odd numbers and filters that select nothing', () => {
  for (const args of [['--fast'], ['--jobs', '0'], ['no such test']]) {
    const { stdout, stderr, status } = runTests(...args);
    assert.is(status, 2);
    assert.is(stdout, '');
    assert.ok(stderr.length > 0);
  }
});

test('a run ends with its counts alone on a line, and code 0 when all passed', () => {
  const { stdout, status } = runTests('gpu/swiftshader');
  assert.match(stdout, /^adapter: ./);
  assert.match(stdout, /\n4 passed, 0 failed\n$/);
  assert.is(status, 0);
});

test.run();
