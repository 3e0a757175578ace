/**
 * Runs the tests, each file in a process of its own, then adds up what uvu counted. The type check and
 * the style check count as a test each.
 *
 *     npx tsx test/run.ts [--full] [--list] [--jobs N] [part of a name …]
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openNodeAdapter } from '../src/gpu/node-adapter.ts';
import { swiftShaderRunsHere } from '../src/gpu/swiftshader.ts';
import { endAll, runNode } from './runner/child.ts';
import {
  formatCounts,
  type Outcome,
  outcomeOfCheck,
  outcomeOfTestFile,
  skipNotices,
  sumOutcomes,
} from './runner/outcome.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const USAGE = `usage: npx tsx test/run.ts [--full] [--list] [--jobs N] [part of a name …]

  --full     the slow tests too (*.slow.test.ts), and those that compute on a device once more on the
             bundled SwiftShader
  --list     print the names and run nothing
  --jobs N   so many files at once (default: 2 at most; slow ones always run alone)
  NAME …     only what has one of these in its name, e.g. gpu/ or check:`;

/** Seconds; generous, since a CPU driver compiles shaders slowly and other work may share the machine. */
const LIMIT = 600;
const SLOW_LIMIT = 1800;

/**
 * What runs on a second adapter: everything whose result a device computes. Other subgroup sizes, no
 * half floats and another compiler are what it is for.
 */
const ON_SECOND_ADAPTER = /^test\/(autograd|fuzz|gpu\/(leak|concurrent)|methods|nn|train)/;
const SECOND_ADAPTER = { SONOLIFT_DEVICE: 'swiftshader' };

interface Job {
  name: string;
  slow: boolean;
  args: string[];
  environment?: Readonly<Record<string, string>>;
  read: typeof outcomeOfTestFile;
}

/** The program of an installed package that its `bin` field names. */
function programOf(packageName: string, bin: string): string {
  const manifest = createRequire(import.meta.url).resolve(`${packageName}/package.json`);
  return join(dirname(manifest), JSON.parse(readFileSync(manifest, 'utf8')).bin[bin]);
}

function allJobs(full: boolean): Job[] {
  const checks: Job[] = [
    { name: 'check: types (tsc --noEmit)', args: [programOf('typescript', 'tsc'), '--noEmit'] },
    {
      name: 'check: types of the demo page (tsc -p web)',
      args: [programOf('typescript', 'tsc'), '-p', 'web', '--noEmit'],
    },
    { name: 'check: style (biome check)', args: [programOf('@biomejs/biome', 'biome'), 'check'] },
  ].map((check) => ({ ...check, slow: false, read: (_output, ending) => outcomeOfCheck(ending) }));
  const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts') && (full || !file.endsWith('.slow.test.ts')))
    .sort();
  const tests = files.map((file) => ({
    name: relative(root, join(root, 'test', file))
      .split(sep)
      .join('/'),
    slow: file.endsWith('.slow.test.ts'),
    // This process's own options load TypeScript.
    args: [...process.execArgv, join(root, 'test', file)],
    read: outcomeOfTestFile,
  }));
  return [...checks, ...tests];
}

/** The jobs that compute, for the bundled SwiftShader; none where that is the first adapter already. */
function secondAdapterJobs(jobs: readonly Job[], adapter: string): Job[] {
  if (!swiftShaderRunsHere || /swiftshader/i.test(adapter)) {
    console.log('second adapter: skipped, there is no other than the first');
    return [];
  }
  return jobs
    .filter(({ name, slow }) => !slow && ON_SECOND_ADAPTER.test(name))
    .map((job) => ({
      ...job,
      name: `${job.name} on SwiftShader`,
      environment: SECOND_ADAPTER,
    }));
}

const indent = (text: string) => text.trimEnd().replace(/^(?=.)/gm, '    ');

async function runJob(job: Job): Promise<Outcome> {
  const { output, ending, seconds } = await runNode(
    job.args,
    job.slow ? SLOW_LIMIT : LIMIT,
    job.environment,
  );
  const outcome = job.read(output, ending);
  const mark = outcome.failed > 0 ? 'FAIL' : 'ok  ';
  const said = outcome.fault ?? formatCounts(outcome);
  console.log(`${mark} ${job.name.padEnd(52)} ${seconds.toFixed(1).padStart(6)} s  ${said}`);
  if (outcome.failed > 0) console.log(indent(output));
  else for (const notice of skipNotices(output)) console.log(`       ${notice}`);
  return outcome;
}

/** Runs jobs in order, `width` of them at once. */
async function runJobs(jobs: readonly Job[], width: number): Promise<Outcome[]> {
  const waiting = [...jobs];
  const outcomes: Outcome[] = [];
  const worker = async () => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
      outcomes.push(await runJob(job));
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  return outcomes;
}

async function describeAdapter(): Promise<string> {
  try {
    return (await openNodeAdapter()).description;
  } catch (error) {
    return `none: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function parseCommandLine() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      full: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      jobs: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    },
  });
  const width = Number(values.jobs);
  if (!Number.isInteger(width) || width < 1) {
    throw new Error(`--jobs: expected a positive whole number, found ${values.jobs}`);
  }
  const { full, list, help } = values;
  return { full, list, help, width, parts: positionals };
}

async function main(): Promise<number> {
  let options: ReturnType<typeof parseCommandLine>;
  try {
    options = parseCommandLine();
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  const { full, list, width, parts } = options;
  const jobs = allJobs(full).filter(
    ({ name }) => parts.length === 0 || parts.some((part) => name.includes(part)),
  );
  if (jobs.length === 0) {
    console.error(`no test has ${parts.map((part) => `'${part}'`).join(' or ')} in its name`);
    return 2;
  }
  if (list) {
    for (const { name } of jobs) console.log(name);
    return 0;
  }
  process.chdir(root);
  const adapter = await describeAdapter();
  console.log(`adapter: ${adapter}`);
  process.once('SIGINT', () => {
    endAll();
    process.exit(130);
  });
  const fast = await runJobs(
    jobs.filter(({ slow }) => !slow),
    width,
  );
  const slow = await runJobs(
    jobs.filter((job) => job.slow),
    1,
  );
  const second = full ? await runJobs(secondAdapterJobs(jobs, adapter), width) : [];
  const sum = sumOutcomes([...fast, ...slow, ...second]);
  console.log(`\n${formatCounts(sum)}`);
  return sum.failed > 0 ? 1 : 0;
}

process.exitCode = await main();
