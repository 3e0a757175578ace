/**
 * Many random arguments for the ops. SONOLIFT_FUZZ_SEED and SONOLIFT_FUZZ_RUNS (cases an op, default
 * 400) search elsewhere and longer; what fails is shrunk, printed, and belongs into its property's
 * list of old failures.
 */
import { suite as createSuite } from 'uvu';
import { UsageError } from '../../src/errors.ts';
import { openNodeGpu } from '../../src/node.ts';
import { ALL_CONVOLUTIONS } from './convolutions.ts';
import { REDUCTIONS } from './reductions.ts';
import { RESAMPLING } from './resampling.ts';
import { STRUCTURE } from './structure.ts';
import { TRANSFORMER } from './transformer.ts';

const suite = createSuite('many random arguments');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

function setting(name: string, otherwise: number): number {
  const text = process.env[name];
  const value = text === undefined ? otherwise : Number(text);
  if (!Number.isSafeInteger(value)) throw new UsageError(`${name}: ${text} is no whole number`);
  return value;
}

const seed = setting('SONOLIFT_FUZZ_SEED', 1);
const runs = setting('SONOLIFT_FUZZ_RUNS', 400);

for (const one of ALL_CONVOLUTIONS) one.add(suite, gpu, { seed, runs, limit: 300, reuse: true });
for (const one of [...STRUCTURE, ...REDUCTIONS, ...RESAMPLING, ...TRANSFORMER]) {
  one.add(suite, gpu, { seed, runs, limit: 40, reuse: true });
}

suite.run();
