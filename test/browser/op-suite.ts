/**
 * The op suite as a page runs it: every sample of every row of the registry, kernels against reference
 * and gradients of repeated use, on the browser's own device. Bundled by page.ts.
 */
import { checkDevice, formatMismatch } from '../../src/autograd/gradcheck.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { OPS } from '../../src/autograd/registry/index.ts';
import type { AnyOpRow } from '../../src/autograd/registry/row.ts';
import { checkReuse } from '../../src/autograd/reuse-check.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { openAdapter } from '../../src/gpu/open-gpu.ts';
import { asGpu } from '../support/as-gpu.ts';

export interface RowReport {
  readonly name: string;
  readonly samples: number;
  readonly faults: readonly string[];
}

export interface PageReport {
  readonly adapter: string;
  readonly userAgent: string;
  readonly rows: readonly RowReport[];
}

async function runRow(gpu: Gpu, row: AnyOpRow): Promise<RowReport> {
  const random = new RandomStream(8, row.name);
  const faults: string[] = [];
  const cases = row.cases(random);
  for (const sample of cases) {
    try {
      const mismatch =
        (await checkDevice(gpu, sample, row.tolerance, random)) ??
        (await checkReuse(gpu, sample, row.tolerance.backward, random));
      if (mismatch) faults.push(`${sample.label}: ${formatMismatch(mismatch)}`);
    } catch (error) {
      faults.push(`${sample.label}: ${String(error)}`);
    }
  }
  return { name: row.name, samples: cases.length, faults };
}

/**
 * @param names rows to run; all if not given
 * @param as `gpu` brings the kernels for GPUs, whatever the device is
 */
async function runOpSuite(names?: readonly string[], as?: 'gpu'): Promise<PageReport> {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) throw new Error('this browser has no WebGPU adapter');
  const opened = await openAdapter(adapter);
  const gpu = as === 'gpu' ? asGpu(opened) : opened;
  const rows: RowReport[] = [];
  for (const row of OPS) {
    if (names && !names.includes(row.name)) continue;
    const report = await runRow(gpu, row);
    rows.push(report);
    console.log(`${report.name}: ${report.samples} samples, ${report.faults.length} faults`);
  }
  return { adapter: gpu.description, userAgent: navigator.userAgent, rows };
}

Object.assign(globalThis, { runOpSuite });
