import { spawnSync } from 'node:child_process';

/** What the compiler made of one kernel; the tool's JSON has more. */
interface Result {
  readonly kernel: string;
  readonly gpu: string;
  readonly wave: number;
  readonly vgprs: number;
  readonly spilledVgprs: number;
  readonly spilledSgprs: number;
  readonly scratchBytes: number;
  readonly ldsBytes: number;
  readonly wavesPerSimd: number;
  readonly hot: Share | null;
  readonly nest?: Share & { readonly cover: number };
}

interface Share {
  readonly fmaShare: number;
  readonly ldsBytesPerFma: number;
}

/** Files with the same code, of which one is compiled. */
export interface Group {
  readonly file: string;
  readonly stem: string;
  readonly label: string;
  readonly shapes: readonly string[];
  /** Of each shape, see `KernelFile`. */
  readonly intensities: readonly number[];
}

/** Runs the tool (a `codegen.mjs`) over one file of each group. @throws Error if it fails */
export function compile(tool: string, groups: readonly Group[], gpus: string): Result[] {
  const args = [
    tool,
    ...groups.map(({ file }) => file),
    '--gpu',
    gpus,
    '--wave',
    '32,64',
    '--json',
  ];
  const run = spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 2 ** 28 });
  if (run.status !== 0) throw new Error(`${tool} failed: ${run.stderr.trim()}`);
  return JSON.parse(run.stdout);
}

const WAVES = [32, 64];

const percent = (share: number | undefined): string => `${(100 * (share ?? 0)).toFixed(1)} %`;

/** One field for both wave sizes. */
function both(values: readonly string[]): string {
  return values.every((value) => value === values[0]) ? values[0] : values.join(' / ');
}

/** Markdown: a row per kernel; fields with two figures are wave32 / wave64. */
export function formatTable(groups: readonly Group[], results: readonly Result[]): string {
  const gpus = [...new Set(results.map(({ gpu }) => gpu))];
  const rows = [
    [
      'kernel',
      'uses',
      'such as',
      ...gpus.flatMap((gpu) => [`${gpu} tile`, 'inner loop', 'VGPRs', 'waves a SIMD']),
      'spills',
      'workgroup memory',
      'bytes of it per FMA',
      'FMAs a byte of tensors',
    ],
  ];
  rows.push(rows[0].map(() => '---'));
  for (const { stem, label, shapes, intensities } of groups) {
    const found = gpus.map((gpu) => WAVES.map((wave) => find(results, stem, gpu, wave)));
    const all = found.flat();
    const spills = all.map((r) => r.spilledVgprs + r.spilledSgprs + r.scratchBytes);
    rows.push([
      label,
      String(shapes.length),
      shapes[Math.floor(shapes.length / 3)],
      ...found.flatMap((waves) => [
        both(waves.map((r) => percent((r.nest ?? r.hot)?.fmaShare))),
        both(waves.map((r) => percent(r.hot?.fmaShare))),
        both(waves.map((r) => String(r.vgprs))),
        both(waves.map((r) => String(r.wavesPerSimd))),
      ]),
      String(Math.max(...spills)),
      `${all[0].ldsBytes} B`,
      Math.max(...all.map((r) => r.hot?.ldsBytesPerFma ?? 0)).toFixed(2),
      range(intensities),
    ]);
  }
  return rows.map((row) => `| ${row.join(' | ')} |`).join('\n');
}

/** Least and most. */
function range(values: readonly number[]): string {
  const ends = [Math.min(...values), Math.max(...values)].map((value) =>
    value.toFixed(value < 10 ? 1 : 0),
  );
  return ends[0] === ends[1] ? ends[0] : `${ends[0]} to ${ends[1]}`;
}

function find(results: readonly Result[], stem: string, gpu: string, wave: number): Result {
  const found = results.find((r) => r.kernel === stem && r.gpu === gpu && r.wave === wave);
  if (!found) throw new Error(`the tool gave no result for ${stem} on ${gpu} at wave ${wave}`);
  return found;
}
