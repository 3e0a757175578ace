/** A benchmark that is killed and interrupted goes on where it was; job lines come to the same; the page works. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { openChromium } from '../browser/chromium.ts';
import {
  assertOk,
  assertRefused,
  type Ended,
  type RunOptions,
  runProgram,
} from '../support/program.ts';
import { makeSmallData } from '../support/small-run.ts';

interface Context {
  folder: string;
  data: string;
  /** What a benchmark that nothing disturbs leaves. */
  straight: string;
}

const suite = createSuite<Context>('whole benchmark');
suite.before(async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'sonolift-benchmark-'));
  const data = join(folder, 'data');
  Object.assign(context, { folder, data, straight: join(folder, 'straight') });
  await makeSmallData(data, 20);
  const ended = await benchmark(context, context.straight);
  assertOk(ended);
  assert.match(ended.stdout, '4 of 4 jobs are done');
});
suite.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

const words = ({ data }: Context, out: string): string[] => [
  ...['--data', data, '--out', out, '--methods', 'pix2pix,proposed', '--seeds', '0,1'],
  ...['--size', '32', '--ngf', '2', '--ndf', '2', '--batch', '2', '--steps', '20'],
  ...['--perceptual', 'none', '--lpips', 'random-features'],
  ...['--set', 'all.levels=3,all.checkpoint-every=1,all.read-every=1'],
];

function benchmark(context: Context, out: string, more: string[] = [], options: RunOptions = {}) {
  return runProgram('benchmark', [...words(context, out), ...more], options);
}

/** Ends the benchmark by a signal some time after a job has begun to train. */
function disturbed(context: Context, out: string, signal: NodeJS.Signals, delay: number) {
  let timer: NodeJS.Timeout | undefined;
  return benchmark(context, out, [], {
    onOutput: (stdout, child) => {
      if (timer || !/ training, | going on with training, /.test(stdout)) return;
      timer = setTimeout(() => child.kill(signal), delay);
    },
  }).finally(() => clearTimeout(timer));
}

/** Everything that must not depend on how a benchmark came about. */
function outcome(out: string) {
  const read = (name: string) => readFileSync(join(out, 'results', name), 'utf8');
  const jobs = read('jobs.csv').split('\n');
  return {
    scores: read('scores.csv'),
    images: read('images.csv'),
    // Without the seconds.
    jobs: jobs.map((line) => line.split(',').filter((_, column) => column !== 5)),
  };
}

/** Runs until no job is in use by a child that a kill has left alone. */
async function untilFree(context: Context, out: string): Promise<Ended> {
  for (let attempt = 0; ; attempt++) {
    const ended = await benchmark(context, out);
    if (ended.code === 0 || attempt === 10) return ended;
    assert.match(ended.stderr, /is in use by process/);
    await new Promise((resolve) => setTimeout(resolve, 3000));
  }
}

suite('killed and interrupted at any moment, it comes to the same', async (context) => {
  const out = join(context.folder, 'disturbed');
  const interrupted = await disturbed(context, out, 'SIGINT', 3500);
  assert.is(interrupted.code, 130, interrupted.stdout + interrupted.stderr);
  assert.match(interrupted.stdout, 'stopping; run the same command again to go on');
  const killed = await disturbed(context, out, 'SIGKILL', 2500);
  assert.is(killed.signal, 'SIGKILL');
  assertOk(await untilFree(context, out));
  assert.equal(outcome(out), outcome(context.straight));
});

suite('job lines run in a shell, in any order, come to the same', async (context) => {
  const out = join(context.folder, 'lines');
  const plan = await benchmark(context, out, ['--plan']);
  assertOk(plan);
  const lines = plan.stdout.trimEnd().split('\n');
  assert.is(lines.length, 4);
  for (const line of lines.reverse()) assert.is(await shell(line), 0, line);
  const collected = await benchmark(context, out, ['--collect']);
  assertOk(collected);
  assert.equal(outcome(out), outcome(context.straight));
});

function shell(line: string): Promise<number | null> {
  const cwd = fileURLToPath(new URL('../..', import.meta.url));
  return new Promise((resolve) => {
    spawn('sh', ['-c', line], { cwd, stdio: 'ignore' }).on('close', resolve);
  });
}

suite('a job that fails does not keep the others from being done', async (context) => {
  const out = join(context.folder, 'failing');
  const failing = await benchmark(context, out, [
    '--set',
    'pix2pix.levels=3,pix2pix.lr=1,all.levels=3,proposed.fakes=auto,pix2pix.lambda-l1=1e38',
  ]);
  assertRefused(
    failing,
    6,
    /^NumericalError: 2 of the jobs failed: fold-0\/seed-0\/pix2pix, fold-0\/seed-1\/pix2pix; first: .*(NaN or infinity|not finite).*--collect --partial/,
  );
  assert.match(failing.stdout, 'fold-0/seed-1/proposed: scored');
});

suite('the page sorts and flips, by mouse and keys', async ({ straight }) => {
  const browser = await openChromium({ webgpu: false });
  try {
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    await page.goto(`file://${join(straight, 'results', 'report.html')}`);
    const column = async (index: number) =>
      page
        .locator('table.sortable')
        .first()
        .locator(`tbody td:nth-child(${index})`)
        .allTextContents();
    const original = await column(1);
    const head = page.locator('table.sortable').first().locator('th:nth-child(5) button');
    await head.click();
    const ascending = (await column(5)).map((text) => Number.parseFloat(text));
    assert.equal(
      ascending,
      [...ascending].sort((a, b) => a - b),
    );
    await head.click();
    assert.equal(
      (await column(5)).map((text) => Number.parseFloat(text)),
      ascending.reverse(),
    );
    await head.click();
    assert.equal(await column(1), original);

    const shown = () => page.locator('#shown').textContent();
    const source = () => page.locator('#picture').getAttribute('src');
    assert.is(await shown(), 'Proposed method');
    const proposed = await source();
    await page.locator('#viewer').focus();
    await page.keyboard.press('ArrowLeft');
    assert.is(await shown(), 'Pix2Pix');
    assert.is.not(await source(), proposed);
    await page.keyboard.press('1');
    assert.is(await shown(), 'Reference low');
    const low = await source();
    await page.keyboard.press('ArrowDown');
    assert.is(await page.locator('#place').textContent(), '2 of 4');
    assert.is.not(await source(), low);
    await page.keyboard.press('ArrowUp');
    assert.is(await source(), low);
    await page.keyboard.press('d');
    assert.ok(await page.locator('#target').isVisible());
    await page.locator('#viewer button[data-view="3"]').click();
    assert.is(await shown(), 'Reference high');
    assert.is(await page.locator('#scores div').count(), 0);
    assert.equal(complaints, []);
  } finally {
    await browser.close();
  }
});

suite.run();
