/**
 * Times every kernel family at the shapes of the paper's models, each checked against its f64
 * reference first.
 *
 *     npm run bench [-- FILTER … --json FILE --markdown FILE --list --device NAME]
 */

import { UsageError } from '../src/errors.ts';
import { writeFileAtomic } from '../src/files.ts';
import { openNodeGpu } from '../src/node.ts';
import { booleanOption, optionalString, type ProgramSpec } from '../src/run/options.ts';
import { runProgram } from '../src/run/program.ts';
import { allCases, filterCases } from './cases/all-cases.ts';
import { type CaseResult, runCase } from './cases/run-case.ts';
import { Clock } from './measure/clock.ts';
import { measurePeak } from './measure/peak.ts';
import type { Widths } from './measure/roof.ts';
import { contextLines, contextOf, reportLoad, watchLoad } from './output/context.ts';
import { kernelTables } from './output/kernel-table.ts';
import { writeSection } from './output/section.ts';
import { percent, significant } from './output/table.ts';

const PROGRAM: ProgramSpec = {
  command: 'npm run bench --',
  summary:
    'Times every kernel at the shapes of the models, with a check of its results. Several FILTERs must\n' +
    'all occur in a name, e.g. `conv weight unet b4`.',
  positionals: 'FILTER...',
  options: {
    list: { description: 'print the names and run nothing', default: false },
    json: { description: 'write the results there too', what: 'FILE' },
    markdown: { description: 'put the tables into section "Kernels" of this file', what: 'FILE' },
    device: { description: 'auto, system, swiftshader, or part of an adapter name', what: 'NAME' },
  },
};

function line(result: CaseResult): string {
  const { gigaflops, gigabytes, roof } = result;
  const rate =
    gigaflops === undefined
      ? `${significant(gigabytes)} GB/s`
      : `${significant(gigaflops)} GFLOP/s`;
  const verdict = result.correct ? 'ok' : 'WRONG';
  return (
    `${result.name.padEnd(44)} ${significant(result.milliseconds).padStart(8)} ms ±${percent(result.spread).padStart(5)}` +
    ` ${rate.padStart(14)} ${percent(result.share).padStart(6)} of ${roof.limit.padEnd(10)} ${verdict} ${result.error.toExponential(1)}`
  );
}

/** How many 10⁹ values a second. */
function rates({ quads, singles }: Widths): string {
  return `${significant(quads)} as vec4s and ${significant(singles)} one by one`;
}

await runProgram(PROGRAM, async ({ values, positionals }) => {
  const cases = filterCases(allCases(), positionals);
  if (cases.length === 0) throw new UsageError(`no kernel has '${positionals.join("' and '")}'`);
  if (booleanOption(values, 'list')) {
    for (const { name, shape } of cases) process.stdout.write(`${name.padEnd(44)} ${shape}\n`);
    return;
  }
  const print = (text: string) => process.stdout.write(`${text}\n`);
  const gpu = await openNodeGpu({ device: optionalString(values, 'device'), log: print });
  const clock = new Clock(gpu.profile.kind);
  const context = contextOf(gpu, clock, 'bench');
  print(context.clock);
  const load = await watchLoad();
  const peak = await measurePeak(gpu, clock);
  const peakLine =
    `Measured peak: ${significant(peak.gigaflops)} GFLOP/s of multiply-adds in registers, ` +
    `${significant(peak.gigabytes)} GB/s of vec4 copy (bytes read and written); of values in the first cache, 10⁹ a second, ` +
    `${rates(peak.accesses.loads)} loaded, ${rates(peak.accesses.stores)} stored.`;
  print(peakLine);
  const results: CaseResult[] = [];
  for (const each of cases) {
    const result = await runCase(gpu, clock, peak, each);
    results.push(result);
    print(line(result));
  }
  const loadLine = reportLoad(load);
  gpu.close();
  const json = optionalString(values, 'json');
  if (json) {
    await writeFileAtomic(json, `${JSON.stringify({ context, peak, results }, null, 2)}\n`);
  }
  const markdown = optionalString(values, 'markdown');
  if (markdown) {
    const tables = kernelTables(results, `${clock.name} ms`);
    const text = [contextLines(context), loadLine, peakLine, '', tables].join('\n');
    await writeSection(markdown, 'Kernels', text);
  }
  const wrong = results.filter(({ correct }) => !correct);
  print(`${results.length} kernels timed, ${wrong.length} with wrong results`);
  if (wrong.length) process.exitCode = 1;
});
