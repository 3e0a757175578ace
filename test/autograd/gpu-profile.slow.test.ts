/**
 * The kernels that a real GPU gets, on the device there is: workgroup memory and barriers instead of one
 * subgroup a row, no subgroup operations (as where their width is not fixed). No machine without a GPU
 * chooses them, so nothing else would run them.
 */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AdapterProfile } from '../../kernels/kernel.ts';
import { checkDevice, formatMismatch } from '../../src/autograd/gradcheck.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { OPS } from '../../src/autograd/registry/index.ts';
import { Gpu } from '../../src/gpu/gpu.ts';
import { openNodeGpu } from '../../src/node.ts';

const suite = createSuite('kernels for GPUs');
const opened = await openNodeGpu();
const profile: AdapterProfile = { kind: 'gpu', subgroupSize: 0, f16: false };
const gpu = new Gpu(opened.device, profile, { keepAlive: opened });
suite.after(() => opened.close());

for (const row of OPS) {
  suite(`${row.name} agrees with the reference`, async () => {
    const random = new RandomStream(12, row.name);
    for (const sample of row.cases(random)) {
      const mismatch = await checkDevice(gpu, sample, row.tolerance, random);
      assert.not(mismatch, mismatch && `${sample.label}: ${formatMismatch(mismatch)}`);
    }
  });
}

suite.run();
