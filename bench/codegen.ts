/**
 * Writes the WGSL of every convolution kernel at the model's shapes, one entry point a file, for
 * offline compilers; with a tool that knows one, compiles it and prints a table.
 *
 *     npm run bench:codegen -- --out DIR [--variant gpu|cpu|gpu_f16|cpu_f16] [--list] [--tool codegen.mjs] [--gpu NAME,NAME]
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compile, formatTable, type Group } from './codegen/table.ts';
import { fileName, type KernelFile, kernelFiles, VARIANTS } from './codegen/variants.ts';

const USAGE = `usage: npm run bench:codegen -- --out DIR [options]

  --out DIR       where to write <kernel>.<shape>.<variant>.wgsl
  --list          print the names and write nothing
  --variant KIND  only gpu, cpu, gpu_f16 or cpu_f16 variants (f16: activations stored as f16)
  --tool FILE     a codegen.mjs that prints JSON about files of WGSL: compile one file of each code that
                  differs, and print a table of the main kernels
  --gpu NAMES     what the tool compiles for (default navi21,navi31)`;

function fail(message: string): never {
  console.error(`${message}\n\n${USAGE}`);
  process.exit(2);
}

function options() {
  try {
    return parseArgs({
      options: {
        out: { type: 'string' },
        list: { type: 'boolean', default: false },
        variant: { type: 'string' },
        tool: { type: 'string' },
        gpu: { type: 'string', default: 'navi21,navi31' },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

const given = options();
if (given.help) {
  console.log(USAGE);
  process.exit(0);
}
if (given.variant !== undefined && !VARIANTS.some((variant) => variant === given.variant)) {
  fail(`--variant is ${VARIANTS.join(' or ')}, found ${given.variant}`);
}
const files = [...kernelFiles()].filter(
  ({ variant }) => given.variant === undefined || variant.split('-')[0] === given.variant,
);
if (given.list) {
  for (const file of files) console.log(fileName(file));
  process.exit(0);
}
if (given.out === undefined) fail('--out is missing');
mkdirSync(given.out, { recursive: true });
for (const file of files) writeFileSync(join(given.out, fileName(file)), file.code);
console.log(`${files.length} kernels written to ${given.out}`);

if (given.tool !== undefined) {
  const groups = groupsOf(files, given.out);
  console.log(formatTable(groups, compile(given.tool, groups, given.gpu)));
  for (const { label, shapes } of groups) console.log(`\n${label}: ${shapes.join(', ')}`);
}

/** Main kernels by code; sizes are constants of the dispatch, so many shapes share one. */
function groupsOf(all: readonly KernelFile[], folder: string): Group[] {
  const groups = new Map<string, Group & { shapes: string[]; intensities: number[] }>();
  for (const file of all) {
    if (!/-(forward|data-gradient|weight-gradient)$/.test(file.kernel)) continue;
    const use = `${file.kernel.replace(/^conv-transpose2d/, 'transposed').replace(/^conv2d-/, '')} ${file.shape}`;
    const known = groups.get(file.code);
    if (known) {
      known.shapes.push(use);
      known.intensities.push(file.intensity);
      continue;
    }
    const name = fileName(file);
    const core = /-weight-gradient$/.test(file.kernel) ? 'weight gradient' : 'correlation';
    groups.set(file.code, {
      file: join(folder, name),
      stem: name.replace(/\.wgsl$/, ''),
      label: `${core} ${file.variant}`,
      shapes: [use],
      intensities: [file.intensity],
    });
  }
  return [...groups.values()].sort(
    (a, b) => a.label.localeCompare(b.label) || b.shapes.length - a.shapes.length,
  );
}
